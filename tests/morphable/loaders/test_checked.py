"""Every loader refuses numbers that are not finite and indices outside the mesh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError
from wholeface.morphable import Embedding, MorphableModel, load_model
from wholeface.morphable.loaders._checked import checked
from wholeface.morphable.loaders.wholeface import card_path, read_asset, read_card

WHERE = Path("own.model")


def _spoilt(values: torch.Tensor, number: float) -> torch.Tensor:
    spoilt = values.clone()
    spoilt.view(-1)[len(spoilt.view(-1)) // 2] = number
    return spoilt


@pytest.mark.parametrize("name", ["mean", "identity", "expression", "uv"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), 1e30])
def test_numbers_must_be_finite_and_sensible(small_model: MorphableModel, name: str, number: float) -> None:
    if getattr(small_model, name) is None:
        pytest.skip(f"the small model has no {name}")
    assert checked(small_model, WHERE) is small_model
    with pytest.raises(ModelFileError, match=r"own\.model.*not finite, or absurdly large"):
        checked(replace(small_model, **{name: _spoilt(getattr(small_model, name), number)}), WHERE)


@pytest.mark.parametrize("index", [-1, 10**6, -(2**40)])
def test_indices_must_lie_inside(small_model: MorphableModel, index: int) -> None:
    count = small_model.vertex_count
    mirror = torch.arange(count)
    mirror[0] = index
    points = small_model.landmarks_68
    assert points is not None
    wrong = [
        {"triangles": _spoilt(small_model.triangles, index)},
        {"mirror": mirror},
        {"landmarks_68": Embedding(_spoilt(points.triangle, index), points.barycentric)},
        {"uv": torch.rand(4, 2), "uv_triangles": torch.full_like(small_model.triangles, index)},
    ]
    for changes in wrong:
        with pytest.raises(ModelFileError, match="points outside"):
            checked(replace(small_model, **changes), WHERE)


def test_sizes_must_fit(small_model: MorphableModel) -> None:
    points = small_model.landmarks_68
    assert points is not None
    nan = torch.full_like(points.barycentric, torch.nan)
    wrong: list[dict[str, Any]] = [
        {"mean": small_model.mean[:-1]},
        {"mean": torch.zeros_like(small_model.mean)},
        {"triangles": small_model.triangles[:0]},
        {"identity": small_model.identity[:, :-1]},
        {"expression_names": ("a",)},
        {"regions": {"skin": torch.ones(3, dtype=torch.bool)}},
        {"landmarks_68": Embedding(points.triangle[:5], points.barycentric[:5])},
        {"landmarks_68": Embedding(points.triangle, nan)},
        {"landmarks_68": Embedding(points.triangle, points.barycentric * 2)},
        {"extras": {"landmarks_478_sigma": torch.tensor([torch.nan])}},
    ]
    for changes in wrong:
        with pytest.raises(ModelFileError, match=r"own\.model is no usable face model"):
            checked(replace(small_model, **changes), WHERE)


def _big(files: Any, field: str, kind: str) -> dict[str, np.ndarray]:
    count = files.count
    return {
        "flame": {"v_template": np.full((count, 3), 3e36), "shapedirs": np.full((count, 3, 6), 3e36)},
        "gnm": {"template_vertex_positions": np.full((count, 3), 3e36, np.float32)},
    }[kind]


@pytest.mark.filterwarnings("error")
def test_numbers_that_overflow_when_scaled_are_refused_without_a_warning(files: Any, tmp_path: Path) -> None:
    for name, value in _big(files, "", "flame").items():
        with pytest.raises(ModelFileError, match="not finite"):
            load_model(files.flame(tmp_path / "m.npz", **{name: value}))
    with pytest.raises(ModelFileError, match="not finite"):
        load_model(files.gnm(tmp_path / "g.npz", **_big(files, "", "gnm")))
    with pytest.raises(ModelFileError, match="not finite"):
        load_model(files.bfm_front(tmp_path / "m.mat", meanshape=np.full((1, 3 * files.count), 3e37)))
    pytest.importorskip("h5py")
    variance = {"shape/model/pcaVariance": np.full(len(files.identity), 3e38, np.float32)}
    basis = {"shape/model/pcaBasis": np.full((3 * files.count, len(files.identity)), 3e37, np.float32)}
    with pytest.raises(ModelFileError, match="not finite"):
        load_model(files.bfm17(tmp_path / "m.h5", fields={**variance, **basis}))


def test_names_that_are_no_text_are_refused(files: Any, tmp_path: Path) -> None:
    names = np.array([b"\xff\xfe%d" % n for n in range(len(files.expression))])
    with pytest.raises(ModelFileError, match=r"expression_names.*UTF-8"):
        load_model(files.gnm(tmp_path / "g.npz", expression_names=names))


@pytest.mark.parametrize("text", ["[" * 200_000, '{"sha256": ' * 50_000, "9" * 6000, "\xff", '{"sha256": 5}'])
def test_bracket_bombs_in_the_card(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.safetensors"
    card_path(path).write_bytes(text.encode("latin1"))
    path.write_bytes(b"x")
    for read in (read_card, read_asset):
        with pytest.raises(ModelFileError, match=r"own\.json"):
            read(path)
