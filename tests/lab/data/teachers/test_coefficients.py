"""Coefficient files of Deep3D and DECA in the order of our layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data.teachers import read_coefficients, taught_photos
from wholeface.morphable import LAYOUTS

_DEEP3D = {"id": 80, "exp": 64, "tex": 80, "angle": 3, "gamma": 27, "trans": 3}
_DECA = {"shape": 100, "tex": 50, "exp": 50, "pose": 6, "cam": 3, "light": 27}


def _named(sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Each block a number of its own, as (1, n)."""
    return {name: np.full((1, size), i + 1.0) for i, (name, size) in enumerate(sizes.items())}


def _blocks(vector: np.ndarray, layout: str) -> dict[str, float]:
    import torch

    parts = LAYOUTS[layout].split(torch.from_numpy(vector))
    assert all((part == part[0]).all() for part in parts.values())
    return {name: float(part[0]) for name, part in parts.items()}


@pytest.mark.parametrize("ending", ["npy", "npz", "mat", "named.npz", "named.mat"])
def test_deep3d_in_every_form(tmp_path: Path, ending: str) -> None:
    named = _named(_DEEP3D)
    flat = np.concatenate(list(named.values()), axis=1)
    path = tmp_path / f"a.{ending}"
    held = named if ending.startswith("named") else {"coeff": flat}
    if ending == "npy":
        np.save(path, flat)
    elif ending.endswith("npz"):
        np.savez(path, **held)
    else:
        savemat(path, held)
    found = read_coefficients(path, "257")
    assert found.shape == (257,)
    # Deep3D's vector has the angles before the light, our layout after it
    assert _blocks(found, "257") == {
        "identity": 1, "expression": 2, "albedo": 3, "rotation": 4, "light": 5, "translation": 6,
    }  # fmt: skip


def test_deca(tmp_path: Path) -> None:
    named = _named(_DECA)
    named["light"] = named["light"].reshape(1, 9, 3)
    np.savez(tmp_path / "a.npz", detail=np.zeros((1, 128)), **named)
    found = _blocks(read_coefficients(tmp_path / "a.npz", "236"), "236")
    assert found == {"identity": 1, "albedo": 2, "expression": 3, "pose": 4, "camera": 5, "light": 6}


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.zeros(256))
    with pytest.raises(DataError, match="256 coefficients, layout 257 has 257"):
        read_coefficients(tmp_path / "short.npy", "257")
    np.savez(tmp_path / "few.npz", shape=np.zeros(100))
    with pytest.raises(DataError, match="holds no array 'tex'"):
        read_coefficients(tmp_path / "few.npz", "236")
    np.save(tmp_path / "nan.npy", np.full(236, np.nan))
    with pytest.raises(DataError, match="not finite"):
        read_coefficients(tmp_path / "nan.npy", "236")
    (tmp_path / "bad.mat").write_bytes(b"no")
    with pytest.raises(DataError, match=r"bad\.mat: cannot be read"):
        read_coefficients(tmp_path / "bad.mat", "236")
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="cannot be read"):
        read_coefficients(tmp_path / "object.npy", "236")
    with pytest.raises(DataError, match="end in"):
        read_coefficients(tmp_path / "a.pkl", "236")
    with pytest.raises(UsageError, match="236 or 257"):
        read_coefficients(tmp_path / "short.npy", "175")  # type: ignore[arg-type]


def test_pictures_meet_their_files(tmp_path: Path) -> None:
    photos, told = tmp_path / "photos", tmp_path / "told"
    for folder in (photos, told):
        folder.mkdir()
    for name in ("b.png", "a.jpg", "c.txt", "d.png"):
        (photos / name).touch()
    for name in ("a.npy", "b.mat", "e.npy"):
        (told / name).touch()
    found = taught_photos(photos, told)
    assert [(p.photo.name, p.coefficients.name) for p in found] == [("a.jpg", "a.npy"), ("b.png", "b.mat")]
    with pytest.raises(DataError, match="no picture"):
        taught_photos(photos, photos)
    with pytest.raises(DataError, match="no such folder"):
        taught_photos(tmp_path / "none", told)
