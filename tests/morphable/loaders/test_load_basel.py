from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.morphable import srgb_to_linear
from wholeface.morphable.loaders import load_model
from wholeface.morphable.loaders.bfm09 import load_bfm09
from wholeface.morphable.loaders.bfm17 import load_bfm17


def close(actual: torch.Tensor, expected: Any, tolerance: float = 2e-4) -> None:
    torch.testing.assert_close(actual.double(), torch.as_tensor(expected).double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("compress", [False, True])
def test_front_matches_truth(files: Any, tmp_path: Path, compress: bool) -> None:
    model = load_model(files.bfm_front(tmp_path / "BFM_model_front.mat", compress=compress))
    assert (model.name, model.version) == ("bfm2009", "deep3d")
    close(model.mean, files.mean - files.mean.mean(axis=0))  # centred, as Deep3D does
    close(model.identity, files.identity)
    close(model.expression, files.expression)
    assert model.expression_names[:2] == ("expression_00", "expression_01")
    assert torch.equal(model.triangles, files.truth.triangles)
    points = model.landmarks_68.points(model.mean, model.triangles)
    close(points, model.mean[torch.as_tensor(files.landmarks)], 0)
    assert model.albedo.space == "srgb"
    linear = model.albedo.vertices(torch.tensor([1.0, -2.0]))
    encoded = files.colour_mean + files.colour_modes[0] - 2 * files.colour_modes[1]
    close(linear, srgb_to_linear(torch.as_tensor(encoded)), 1e-6)
    assert model.regions["skin"].all()
    assert model.regions["face"].nonzero()[:, 0].tolist() == list(range(4, 14))  # 5 … 14, counted from 1
    close(model.extras["skin_mask"], np.arange(files.count) % 2, 0)
    assert model.mean.dtype == torch.float32


def test_front_turns_triangles_outwards(files: Any, tmp_path: Path) -> None:
    inside_out = (files.triangles[:, ::-1] + 1).astype(np.float64)
    model = load_bfm09(files.bfm_front(tmp_path / "m.mat", tri=inside_out))
    a, b, c = (model.mean[model.triangles[:, corner]].double() for corner in range(3))
    assert (a * torch.linalg.cross(b, c)).sum() > 0
    # An open face that looks along +z counts as seen from +z.
    front = files.triangles[(files.mean[files.triangles][:, :, 2] > 65).all(axis=1)]
    for corners in (front, front[:, ::-1]):
        model = load_bfm09(
            files.bfm_front(
                tmp_path / "m.mat", tri=(corners + 1.0), keypoints=np.full((1, 68), corners[0, 0] + 1.0)
            )
        )
        a, b, c = (model.mean[model.triangles[:, corner]] for corner in range(3))
        assert torch.linalg.cross(b - a, c - a)[:, 2].sum() > 0


def test_original_matches_truth(files: Any, tmp_path: Path) -> None:
    path = files.bfm_original(tmp_path / "01_MorphableModel.mat")
    model = load_model(path)
    close(model.mean, files.mean)
    close(model.identity, files.identity)
    assert model.expression.shape == (0, files.count, 3)
    assert model.expression_names == ()
    assert torch.equal(model.triangles.sort(-1).values, files.truth.triangles.sort(-1).values)
    a, b, c = (model.mean[model.triangles[:, corner]].double() for corner in range(3))
    assert (a * torch.linalg.cross(b, c)).sum() > 0
    close(model.albedo.basis, files.colour_modes, 1e-6)
    assert model.landmarks_68 is None
    listing = tmp_path / "points.txt"
    listing.write_text("\n".join(str(v) for v in files.landmarks))
    model = load_model(path, landmarks=listing)
    close(model.landmarks_68.points(model.mean, model.triangles), files.mean[files.landmarks])
    close(
        model.vertices(torch.tensor([1.0, 2.0])), files.mean + files.identity[0] + 2 * files.identity[1], 1e-3
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": "exBase"}, "lacks exBase"),
        ({"meanshape": np.ones((1, 7))}, "meanshape has 7 numbers"),
        ({"idBase": np.ones((12, 2))}, r"idBase has the shape \(12, 2\)"),
        ({"tri": np.array([[0, 1, 2]])}, r"tri runs from 0 to 2.*\[1, "),
        ({"tri": np.array([[1, 2, 99999]])}, "tri runs from"),
        ({"tri": np.array([[1.5, 2, 3]])}, "tri should hold whole numbers"),
        ({"keypoints": np.ones((1, 67))}, "keypoints has the shape"),
        ({"idBase": "text"}, "idBase is not an array of real numbers"),
        ({"skinmask": np.ones((1, 3))}, "skinmask has the shape"),
        ({"meantex": np.full((1, 870), np.nan)}, "not finite"),
        ({"meantex": np.ones((1, 12))}, "mean texture has 4 vertices"),
    ],
)
def test_front_wrong_content(files: Any, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = files.bfm_front(tmp_path / "broken.mat", **change)
    with pytest.raises(ModelFileError, match=rf"broken\.mat.*{message}"):
        load_model(path)


def test_matlab_7_3_is_named(tmp_path: Path) -> None:
    path = tmp_path / "new.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(600))
    with pytest.raises(ModelFileError, match=r"new\.mat.*7\.3.*-v7"):
        load_model(path)


def test_landmark_on_no_triangle(files: Any, tmp_path: Path) -> None:
    points = np.full((1, 68), files.count)
    path = files.bfm_front(tmp_path / "m.mat", tri=files.triangles[:10] + 1.0, keypoints=points)
    with pytest.raises(ModelFileError, match="lies on no triangle"):
        load_model(path)


def test_bfm17_matches_truth(files: Any, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    model = load_model(files.bfm17(tmp_path / "model2019_face12.h5"))
    assert (model.name, model.version) == ("bfm2019", "model2019_face12")
    close(model.mean, files.mean)  # the mean of the expression model included
    close(model.identity, files.identity)
    close(model.expression, files.expression)
    close(model.albedo.mean, files.colour_mean, 1e-6)
    close(model.albedo.basis, files.colour_modes, 1e-6)
    assert model.albedo.space == "srgb"
    assert torch.equal(model.triangles, files.truth.triangles)
    close(model.extras["landmark:center.nose.tip"], files.mean[7])
    assert model.landmarks_68 is None
    listing = tmp_path / "points.json"
    listing.write_text(json.dumps(files.landmarks.tolist()))
    model = load_model(tmp_path / "model2019_face12.h5", landmarks=listing)
    close(model.landmarks_68.points(model.mean, model.triangles), files.mean[files.landmarks])


def test_bfm17_without_expressions_and_with_bytes_as_colours(files: Any, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    colours = {"color/model/mean": (files.colour_mean * 255).reshape(-1)}
    model = load_bfm17(files.bfm17(tmp_path / "m.h5", expression=False, fields=colours))
    assert model.expression_size == 0
    close(model.albedo.mean, files.colour_mean, 1e-6)
    close(model.mean, files.mean - 0.25)


@pytest.mark.parametrize(
    "name", ["shape/model/mean", "shape/model/pcaVariance", "color/model/pcaBasis", "shape/representer/cells"]
)
def test_bfm17_missing(files: Any, tmp_path: Path, name: str) -> None:
    pytest.importorskip("h5py")
    with pytest.raises(ModelFileError, match=rf"m\.h5.*lacks {name}"):
        load_model(files.bfm17(tmp_path / "m.h5", drop=name))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"shape/model/mean": np.ones(4)}, "4 numbers"),
        ({"shape/model/pcaVariance": np.ones(3)}, r"pcaVariance has the shape \(3,\)"),
        ({"shape/model/pcaVariance": -np.ones(6)}, "negative"),
        ({"shape/representer/cells": np.array([[0], [1], [9999]])}, "cells runs from 0 to 9999"),
        ({"metadata/landmarks/json": np.array(["{not json"], dtype=object)}, "damaged"),
    ],
)
def test_bfm17_wrong_content(files: Any, tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    pytest.importorskip("h5py")
    with pytest.raises(ModelFileError, match=rf"m\.h5.*{message}"):
        load_model(files.bfm17(tmp_path / "m.h5", fields=fields))


def test_h5py_missing_names_the_extra(files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = files.bfm17(tmp_path / "m.h5")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ModelFileError, match=r"m\.h5 needs h5py.*wholeface\[models\]"):
        load_model(path)


@pytest.mark.parametrize(
    "content", ["1 2 3", "[1, 2]", "a b c", "", "[" * 9000, " ".join(["-1"] * 68), "1e3 " * 68]
)
def test_bad_landmark_list(files: Any, tmp_path: Path, content: str) -> None:
    path, listing = files.bfm_original(tmp_path / "o.mat"), tmp_path / "points.txt"
    listing.write_text(content)
    with pytest.raises(ModelFileError, match=r"points\.txt"):
        load_model(path, landmarks=listing)


def test_unknown_option_lists_the_options(files: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"texture.*landmarks"):
        load_model(files.bfm_front(tmp_path / "m.mat"), texture="x.npz")
