"""Damaged files: cut at many lengths, with bytes flipped. One error type, always naming the file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError
from wholeface.morphable import MorphableModel
from wholeface.morphable.loaders import load_model
from wholeface.morphable.loaders.bfm09 import load_bfm09
from wholeface.morphable.loaders.bfm17 import load_bfm17
from wholeface.morphable.loaders.flame import load_flame
from wholeface.morphable.loaders.gnm import load_gnm
from wholeface.morphable.loaders.ict import load_ict

Case = tuple[Callable[[Any, Path], Path], Callable[[Path], MorphableModel]]

CASES: dict[str, Case] = {
    "bfm09": (lambda files, path: files.bfm_front(path), load_bfm09),
    "bfm09-compressed": (lambda files, path: files.bfm_front(path, compress=True), load_bfm09),
    "bfm09-original": (lambda files, path: files.bfm_original(path), load_bfm09),
    "bfm17": (lambda files, path: files.bfm17(path), load_bfm17),
    "flame-python2": (lambda files, path: files.flame(path), load_flame),
    "flame-protocol5": (lambda files, path: files.flame(path, style="plain", protocol=5), load_flame),
    "flame-npz": (lambda files, path: files.flame(path, style="npz"), load_flame),
    "gnm": (lambda files, path: files.gnm(path), load_gnm),
    "ict": (lambda files, path: files.ict_packed(path), load_ict),
}


def attempt(load: Callable[[Path], MorphableModel], path: Path) -> MorphableModel | None:
    """The model, or None after the one error that may come; anything else fails the test."""
    try:
        return load(path)
    except ModelFileError as error:
        message = str(error)
        assert path.name in message
        assert "\n" not in message.strip() or len(message) < 600
        return None


@pytest.mark.parametrize("case", CASES)
def test_cut_short(tiny_files: Any, tmp_path: Path, case: str) -> None:
    write, load = CASES[case]
    path = write(tiny_files, tmp_path / "whole")
    data = path.read_bytes()
    assert attempt(load, path) is not None
    cut = tmp_path / "cut.bin"
    lengths = {*range(1, 40, 3), *np.linspace(40, len(data) - 1, 45).astype(int).tolist(), len(data) - 1}
    survivors = []
    for length in sorted(lengths):
        cut.write_bytes(data[:length])
        for loader in (load, load_model):
            model = attempt(loader, cut)
            if model is not None:
                survivors.append(length)
                assert torch.equal(model.mean, load(path).mean)
    # Only bytes that no field needs may be missing: optional variables, HDF5's last padding.
    assert all(length > 0.5 * len(data) for length in survivors)
    if case in ("flame-python2", "flame-protocol5", "flame-npz", "gnm", "ict"):
        assert not survivors


@pytest.mark.parametrize("case", CASES)
def test_flipped_bytes(tiny_files: Any, tmp_path: Path, case: str) -> None:
    write, load = CASES[case]
    path = write(tiny_files, tmp_path / "whole")
    data = path.read_bytes()
    count = load(path).vertex_count
    rng = np.random.default_rng(11)
    broken = tmp_path / "broken.bin"
    head = np.arange(0, min(len(data), 600), 11)
    for place in np.concatenate([head, rng.integers(0, len(data), 70)]).tolist():
        damaged = bytearray(data)
        damaged[place] ^= int(rng.integers(1, 256))
        broken.write_bytes(damaged)
        model = attempt(load, broken)
        if model is not None:  # a flip inside a number: another number, but a usable model
            assert torch.isfinite(model.vertices(torch.ones(model.identity_size))).all()
            assert int(model.triangles.max()) < model.vertex_count <= count
        attempt(load_model, broken)


@pytest.mark.parametrize("kind", ["embedding", "texture"])
def test_damaged_flame_companions(tiny_files: Any, tmp_path: Path, kind: str) -> None:
    model_file = tiny_files.flame(tmp_path / "m.pkl")
    if kind == "embedding":
        path, option = tiny_files.flame_embedding(tmp_path / "whole.npy"), "landmarks"
    else:
        path, option = tiny_files.flame_texture(tmp_path / "whole.npz"), "texture"
    data = path.read_bytes()
    rng = np.random.default_rng(2)
    broken = tmp_path / "broken.bin"
    for length in np.linspace(0, len(data) - 1, 40).astype(int).tolist():
        broken.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match=r"broken\.bin"):
            load_flame(model_file, **{option: broken})
    for place in rng.integers(0, len(data), 100).tolist():
        damaged = bytearray(data)
        damaged[place] ^= int(rng.integers(1, 256))
        broken.write_bytes(damaged)
        attempt(lambda damaged_file: load_flame(model_file, **{option: damaged_file}), broken)


def test_damaged_obj(tiny_files: Any, tmp_path: Path) -> None:
    folder = tiny_files.ict_folder(tmp_path / "f")
    rng = np.random.default_rng(4)
    for name in ("generic_neutral_mesh.obj", "identity003.obj"):
        data = (folder / name).read_bytes()
        for _ in range(60):
            damaged = bytearray(data)
            damaged[int(rng.integers(len(data)))] = int(rng.integers(256))
            (folder / name).write_bytes(damaged)
            try:
                load_ict(folder)
            except ModelFileError as error:
                assert str(folder) in str(error)  # noqa: PT017
        (folder / name).write_bytes(data)
    load_ict(folder)
