"""The shipped face model: invariants of the file, and how its reader refuses damaged ones."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.lab.modelling.asset import write_asset
from wholeface.morphable import AlbedoModel, Embedding, MorphableModel, load_model
from wholeface.morphable.loaders.wholeface import SHIPPED_ASSET, card_path, read_asset, read_card
from wholeface.morphable.model import REGION_NAMES

FLIP = torch.tensor([-1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def model():
    return read_asset()


def test_shapes_and_names(model):
    assert 9_500 <= model.vertex_count <= 10_500
    assert model.identity.shape == (112, model.vertex_count, 3)
    assert model.expression.shape == (55, model.vertex_count, 3)
    assert len(set(model.expression_names)) == 55
    assert {"jawOpen", "eyeBlink_L", "eyeBlink_R", "mouthSmile_L"} <= set(model.expression_names)
    assert set(model.regions) == set(REGION_NAMES)
    assert {"iris", "pupil", "gums", "tongue"} <= set(model.extras)
    assert SHIPPED_ASSET.stat().st_size <= 16 * 2**20


def test_is_exactly_mirror_symmetric(model):
    mirror = model.mirror
    assert torch.equal(mirror[mirror], torch.arange(model.vertex_count))
    assert torch.equal(model.mean[mirror] * FLIP, model.mean)
    flipped = model.identity[:, mirror] * FLIP
    even = (flipped == model.identity).flatten(1).all(1)
    odd = (flipped == -model.identity).flatten(1).all(1)
    assert bool((even | odd).all())
    assert 0 < int(odd.sum()) < 40
    names = model.expression_names
    for name in names:
        if name.endswith("_L"):
            other = names.index(name[:-2] + "_R")
            assert torch.equal(model.expression[names.index(name)][mirror] * FLIP, model.expression[other])
    for mask in model.regions.values():
        assert torch.equal(mask, mask[mirror])
    as_set = {tuple(t) for t in torch.sort(model.triangles, dim=1)[0].tolist()}
    assert as_set == {tuple(t) for t in torch.sort(mirror[model.triangles], dim=1)[0].tolist()}


def test_faces_outwards_without_bad_triangles(model):
    corners = model.mean[model.triangles]
    cross = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert float(cross.norm(dim=1).min()) > 1e-3
    skin = model.regions["skin"][model.triangles].all(1) & (corners[:, :, 2].mean(1) < 20)
    outwards = corners.mean(1) - torch.tensor([0.0, 20.0, 0.0])
    scalp = model.regions["scalp"][model.triangles].all(1) & skin
    assert bool(((cross * outwards).sum(1)[scalp] > 0).all())
    eye = model.regions["eyeballs"][model.triangles].all(1) & (corners[:, :, 0] > 0).all(1)
    centre = corners[eye].mean((0, 1))
    assert bool(((cross * (corners.mean(1) - centre)).sum(1)[eye] > 0).all())
    edges = torch.cat([model.triangles[:, [0, 1]], model.triangles[:, [1, 2]], model.triangles[:, [2, 0]]])
    assert len(torch.unique(edges, dim=0)) == len(edges)  # each directed edge once: consistent and manifold


def test_uv_atlas_is_inside_symmetric_and_without_flips(model):
    uv = model.uv.double()
    assert float(uv.min()) >= 0
    assert float(uv.max()) <= 1
    a, b, c = (uv[model.uv_triangles[:, j]] for j in range(3))
    area = 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])
    assert float(area.min()) > 0
    assert float(area.sum()) > 0.5
    half = len(model.triangles) // 2
    left, right = uv[model.uv_triangles[:half]], uv[model.uv_triangles[half:]].flip(1)
    assert torch.allclose(left[..., 0] + right[..., 0], torch.ones(()).double(), atol=1e-6)
    assert torch.allclose(left[..., 1], right[..., 1], atol=1e-6)


def test_uv_triangles_do_not_overlap(model):
    size = 512
    corners = (model.uv.double()[model.uv_triangles] * size - 0.5).numpy()  # (F, 3, 2)
    count = np.zeros((size, size), dtype=int)
    for a, b, c in corners:
        low = np.maximum(np.floor(np.minimum(np.minimum(a, b), c)), 0).astype(int)
        high = np.minimum(np.ceil(np.maximum(np.maximum(a, b), c)), size - 1).astype(int)
        x, y = np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1)[:, None]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        inside = np.ones((y.shape[0], x.shape[0]), dtype=bool)
        for q, r in ((a, b), (b, c), (c, a)):
            inside &= ((r[0] - q[0]) * (y - q[1]) - (r[1] - q[1]) * (x - q[0])) / area > 1e-6
        count[low[1] : high[1] + 1, low[0] : high[0] + 1] += inside
    assert count.max() == 1
    assert (count > 0).mean() > 0.6


def test_iris_lies_around_the_documented_uv(model):
    card = read_card(SHIPPED_ASSET)["geometry"]
    centre = torch.tensor(card["uv_left_eye_centre"])
    pole = model.extras["pupil"] & (model.mean[:, 0] > 0)
    points = model.uv[model.uv_triangles[pole[model.triangles]]]
    assert float((points - centre).norm(dim=1).min()) < 1e-6
    assert float((points - centre).norm(dim=1).max()) < card["uv_eye_radius"]


def test_gaze_turns_the_eyeball(model):
    eye = model.extras["pupil"] & (model.mean[:, 0] > 0)
    up = model.expression[model.expression_names.index("eyeLookUp_L")]
    assert float(up[eye][:, 1].min()) > 3.0
    assert float(up[model.regions["eyeballs"] & (model.mean[:, 0] < 0)].abs().max()) == 0.0
    out = model.expression[model.expression_names.index("eyeLookOut_L")]
    assert float(out[eye][:, 0].min()) > 3.0


def test_landmarks_lie_where_they_should(model):
    points = model.landmarks_68.points(model.mean, model.triangles)
    assert float((points[[27, 28, 29, 30, 33, 51, 57, 8]][:, 0]).abs().max()) < 1e-4
    assert torch.allclose(points[36] * FLIP, points[45], atol=1e-4)
    assert int(points[:, 2].argmax()) == 30  # tip of the nose
    assert 55 < float((points[42:48].mean(0) - points[36:42].mean(0)).norm()) < 72


def test_card_reports_the_cost_of_reduction():
    cost = read_card(SHIPPED_ASSET)["geometry"]["reduction_cost_rms_mm"]
    assert 0.0 < cost["decimation_mm"] < cost["surface_mm"] < 0.15
    assert cost["points_mm"] < 0.2


def _with_albedo(model, symmetric: bool):
    generator = torch.Generator().manual_seed(3)
    basis = torch.randn(4, 3, 32, 32, generator=generator)
    if symmetric:
        sign = torch.tensor([1.0, -1.0, 1.0, -1.0])[:, None, None, None]
        basis = 0.5 * (basis + sign * basis.flip(-1))
    basis[..., :5, :] = 0.0
    albedo = AlbedoModel(
        "log",
        torch.zeros(model.vertex_count, 3),
        torch.zeros(4, model.vertex_count, 3),
        torch.rand(3, 64, 64, generator=generator).half().float(),
        basis,
    )
    weights = torch.tensor([[0.2, 0.3, 0.5], [torch.nan] * 3]).repeat(239, 1)
    return replace(model, albedo=albedo, landmarks_478=Embedding(torch.tensor([3, 0]).repeat(239), weights))


@pytest.mark.parametrize("symmetric", [True, False])
def test_round_trip(model, tmp_path, symmetric):
    rich = _with_albedo(model, symmetric)
    path = tmp_path / "m.safetensors"
    card = write_asset(path, rich, {"note": "x"})
    back = read_asset(path)
    assert card["note"] == "x"
    assert torch.equal(back.mean, model.mean)
    assert (
        float((back.identity - model.identity).abs().max()) <= card["quantisation_max_mm"]["identity"] + 1e-6
    )
    assert (
        float((back.expression - model.expression).abs().max())
        <= card["quantisation_max_mm"]["expression"] + 1e-6
    )
    for name in ("triangles", "uv", "uv_triangles", "mirror"):
        assert torch.equal(getattr(back, name), getattr(model, name))
    for name, mask in model.regions.items():
        assert torch.equal(back.regions[name], mask)
    assert torch.equal(back.landmarks_68.triangle, model.landmarks_68.triangle)
    assert torch.equal(back.landmarks_478.barycentric[0], rich.landmarks_478.barycentric[0])
    assert bool(back.landmarks_478.barycentric[1].isnan().all())
    assert torch.equal(back.albedo.mean_texture, rich.albedo.mean_texture)
    step = rich.albedo.basis_texture.abs().amax((2, 3), keepdim=True) / 127
    error = (back.albedo.basis_texture - rich.albedo.basis_texture).abs()
    assert bool((error <= 0.51 * step).all())
    size = 4 * 3 * 32 * (16 if symmetric else 32) * 27 // 32
    assert card["shapes"]["albedo_basis"] == [4, 3, size // 12]
    # A vertex's albedo is the texture at its UV.
    triangle = 7
    v, t = int(model.triangles[triangle, 0]), model.uv[model.uv_triangles[triangle, 0]]
    x, y = float(t[0]) * 64 - 0.5, (1 - float(t[1])) * 64 - 0.5
    x0, y0 = int(x), int(y)
    patch = rich.albedo.mean_texture[:, y0 : y0 + 2, x0 : x0 + 2]
    rows = patch[:, :, 0] * (1 - (x - x0)) + patch[:, :, 1] * (x - x0)
    expected = rows[:, 0] * (1 - (y - y0)) + rows[:, 1] * (y - y0)
    assert torch.allclose(back.albedo.mean[v], expected, atol=1e-4)


def test_writing_is_deterministic(model, tmp_path):
    first = write_asset(tmp_path / "a.safetensors", model, {})
    second = write_asset(tmp_path / "b.safetensors", model, {})
    assert first["sha256"] == second["sha256"]


def test_a_changed_file_is_refused_with_both_hashes(tmp_path):
    path = tmp_path / "face_model.safetensors"
    shutil.copy(SHIPPED_ASSET, path)
    shutil.copy(card_path(SHIPPED_ASSET), card_path(path))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelFileError) as caught:
        read_asset(path)
    message = str(caught.value)
    assert str(path) in message
    assert f"expected {read_card(SHIPPED_ASSET)['sha256']}" in message
    assert "found " in message


def test_missing_files_are_named(tmp_path):
    path = tmp_path / "face_model.safetensors"
    with pytest.raises(ModelFileError, match=r"face_model\.json.*card is missing"):
        read_asset(path)
    shutil.copy(card_path(SHIPPED_ASSET), card_path(path))
    with pytest.raises(ModelFileError, match=r"cannot read .*face_model\.safetensors"):
        read_asset(path)
    card_path(path).write_text("{}")
    with pytest.raises(ModelFileError, match="no sha256"):
        read_asset(path)


def test_asymmetric_models_are_refused(model, tmp_path):
    with pytest.raises(UsageError, match="mirror"):
        write_asset(tmp_path / "a.safetensors", replace(model, mirror=None), {})
    bent = model.identity.clone()
    bent[0, -1] += 1.0
    with pytest.raises(UsageError, match="identity"):
        write_asset(tmp_path / "a.safetensors", replace(model, identity=bent), {})


_WRITTEN: dict[str, bytes] = {}


def _own(model: MorphableModel, path: Path, change: Any) -> Path:
    """A file of our own format with a right hash and a wrong content."""
    if not _WRITTEN:  # writing takes seconds
        write_asset(path, model, {})
        _WRITTEN.update(model=path.read_bytes(), card=card_path(path).read_bytes())
    card_path(path).write_bytes(_WRITTEN["card"])
    arrays = {name: value.copy() for name, value in load(_WRITTEN["model"]).items()}
    header = json.loads(arrays["header"].tobytes())
    change(arrays, header)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    arrays["header"] = np.frombuffer(text, np.uint8)
    path.write_bytes(save(arrays))
    card = json.loads(card_path(path).read_text())
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    card_path(path).write_text(json.dumps(card))
    return path


def _set(name: str, value: Any) -> Any:
    def change(arrays: dict[str, Any], header: dict[str, Any]) -> None:
        arrays[name].reshape(-1)[3] = value

    return change


def _head(**values: Any) -> Any:
    return lambda arrays, header: header.update(values)


@pytest.mark.parametrize(
    "change",
    [
        _set("mean", np.nan),
        _set("mean", np.inf),
        _set("identity_scale", 1e38),
        _set("triangles", 60_000),
        _set("landmarks_68.triangle", 60_000),
        _set("landmarks_68.barycentric", np.nan),
        _head(left=10**12),
        _head(midline=-5),
        _head(midline=10**400),
        _head(expressions=["a"] * 10**6),
        _head(expression_pairs=[[0, 10**9]]),
        _head(regions=["x"]),
        _head(name={"a": [1] * 1000}, expressions=None),
        lambda arrays, header: arrays.pop("mean"),
        lambda arrays, header: arrays.update(mean=np.zeros((5, 3), np.float32)),
        lambda arrays, header: arrays.update(mean=np.zeros((0,), np.float32)),
    ],
)
def test_own_models_are_checked_although_their_hash_is_right(
    model: MorphableModel, tmp_path: Path, change: Any
) -> None:
    path = _own(model, tmp_path / "own.safetensors", change)
    for read in (load_model, read_asset):
        with pytest.raises(ModelFileError, match=r"own\.safetensors"):
            read(path)


def test_named_directions_change_age_and_nothing_is_lopsided(model):
    assert set(model.directions) == {"age", "childhood"}
    marks = model.landmarks_68

    def face(**years: float) -> torch.Tensor:
        identity = sum(amount * model.directions[name] for name, amount in years.items())
        return model.vertices(identity)

    adult, child, old = face(age=0.0), face(childhood=12.0), face(age=5.0)
    for shape in (child, old):
        assert float((shape[model.mirror] * FLIP - shape).abs().max()) < 0.05
    sizes = [float(shape[model.regions["face"]][:, 1].std()) for shape in (child, adult, old)]
    assert sizes[0] < 0.93 * sizes[1]
    # The lower face of a child is short beside the distance of its eyes.
    ratio = []
    for shape in (child, adult):
        points = marks.points(shape, model.triangles)
        ratio.append(float((points[[36, 45], 1].mean() - points[8, 1]) / (points[45, 0] - points[36, 0])))
    assert ratio[0] < 0.95 * ratio[1]
    assert float((old - adult)[model.regions["face"]].norm(dim=1).mean()) > 1.0
