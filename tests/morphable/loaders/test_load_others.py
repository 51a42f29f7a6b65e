"""ICT-FaceKit, GNM Head, body-models, and the choice of the loader."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, UsageError
from wholeface.morphable import MorphableModel
from wholeface.morphable.loaders import MODEL_FORMATS, detect_format, load_model
from wholeface.morphable.loaders.ict import load_ict


def close(actual: torch.Tensor, expected: Any, tolerance: float = 2e-4) -> None:
    torch.testing.assert_close(actual.double(), torch.as_tensor(expected).double(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("kind", ["folder", "packed"])
def test_ict_matches_truth(files: Any, tmp_path: Path, kind: str) -> None:
    source = (
        files.ict_folder(tmp_path / "FaceXModel")
        if kind == "folder"
        else files.ict_packed(tmp_path / "i.npz")
    )
    model = load_model(source)
    close(model.mean, files.mean)
    close(model.identity, files.identity)
    order = sorted(files.truth.expression_names) if kind == "folder" else files.truth.expression_names
    assert list(model.expression_names) == list(order)
    smile = model.expression[model.expression_names.index("mouthSmile_L")]
    close(smile, files.expression[1])
    assert torch.equal(model.triangles, files.truth.triangles)
    close(model.uv, files.truth.uv, 1e-6)
    assert torch.equal(model.uv_triangles, files.truth.uv_triangles)
    assert torch.equal(model.mirror, files.truth.mirror)
    assert model.landmarks_68 is None
    assert model.albedo is None  # another mesh than the published one has no known landmarks


def test_ict_quads_are_cut_alike_in_space_and_uv(files: Any, tmp_path: Path) -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 0.0]])
    fields = {
        "mean": square,
        "identity": np.zeros((1, 5, 3)),
        "expression": np.zeros((1, 5, 3)),
        "expression_names": np.array(["smile"]),
        "faces": np.array([[1, 4, 2, -1], [0, 1, 2, 3]]),
        "uv": square[:, :2] / 2,
        "uv_faces": np.array([[1, 4, 2, -1], [0, 1, 2, 3]]),
    }
    model = load_model(files.ict_packed(tmp_path / "m.npz", **fields))
    assert model.triangles.tolist() == [[1, 4, 2], [0, 1, 2], [0, 2, 3]]
    assert model.uv_triangles.tolist() == model.triangles.tolist()
    (tmp_path / "f").mkdir()
    obj = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nv 2 0 0\nf 2//1 5//1 3//1\nf 1 2 3 4\n"
    for name in ("generic_neutral_mesh", "identity000", "smile"):
        (tmp_path / "f" / f"{name}.obj").write_text(obj)
    assert load_model(tmp_path / "f").triangles.tolist() == model.triangles.tolist()
    (tmp_path / "checkout").mkdir()
    (tmp_path / "f").rename(tmp_path / "checkout" / "FaceXModel")
    assert load_model(tmp_path / "checkout").vertex_count == 5


def test_ict_published(shared: Path) -> None:
    source = shared / "data" / "ict_facekit" / "ict_facekit.npz"
    model = load_ict(source)
    raw = np.load(source)
    assert (model.vertex_count, model.identity_size, model.expression_size) == (24591, 100, 57)
    close(model.mean, raw["mean"][:24591] * 10)
    close(model.identity[3], raw["identity"][3, :24591] * 10)
    assert int(model.triangles.max()) < 24591
    assert torch.equal(model.mirror[model.mirror], torch.arange(24591))
    flip = torch.tensor([-1.0, 1.0, 1.0])
    close(model.mean[model.mirror] * flip, model.mean, 0.3)  # teeth; the skin is better
    skin = model.region("skin")
    close((model.mean[model.mirror] * flip)[skin], model.mean[skin], 0.06)
    points = model.landmarks_68.points(model.mean, model.triangles)
    assert points.shape == (68, 3)
    assert points[36:42, 0].max() < 0 < points[42:48, 0].min()  # 36–41: the person's right eye
    close(points[:17].flip(0) * flip, points[:17], 0.5)  # the jaw line is symmetric
    assert points[30, 2] == points[:, 2].max()  # the tip of the nose is in front
    left = model.expression[model.expression_names.index("eyeBlink_L")].norm(dim=-1)
    assert model.mean[left.argmax(), 0] > 0  # +x is the person's left


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"faces": None}, "lacks faces"),
        ({"faces": np.array([[0, -1, 2, 3]])}, "corners without a vertex"),
        ({"faces": np.array([[0, 1, 2, 9999]])}, "faces runs from"),
        ({"identity": np.zeros((2, 3, 3))}, "identity has the shape"),
        ({"expression_names": np.array(["one"])}, "5 names"),
        ({"uv_faces": np.zeros((2, 4), dtype=int)}, "uv_faces has the shape"),
        ({"mean": np.zeros((0, 3))}, "no vertices"),
    ],
)
def test_ict_wrong_content(files: Any, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=rf"bad\.npz.*{message}"):
        load_model(files.ict_packed(tmp_path / "bad.npz", **change))


def test_ict_folder_incomplete(files: Any, tmp_path: Path) -> None:
    folder = files.ict_folder(tmp_path / "f")
    kept = (folder / "identity002.obj").read_bytes()
    (folder / "identity002.obj").unlink()
    with pytest.raises(ModelFileError, match=r"lacks identity002\.obj"):
        load_model(folder)
    (folder / "identity002.obj").write_bytes(kept[: len(kept) // 2])
    with pytest.raises(ModelFileError, match=r"identity002\.obj"):
        load_model(folder)
    (folder / "identity002.obj").write_bytes(b"v 1 2\n")
    with pytest.raises(ModelFileError, match=r"identity002\.obj.*differ in length"):
        load_model(folder)
    (folder / "generic_neutral_mesh.obj").unlink()
    with pytest.raises(ModelFileError, match=r"lacks generic_neutral_mesh\.obj"):
        load_model(folder)


def test_gnm_matches_truth(files: Any, tmp_path: Path) -> None:
    path = files.gnm(tmp_path / "gnm_head.npz")
    model = load_model(path)
    assert (model.name, model.version) == ("gnm", "3.0")
    close(model.mean, files.mean)
    close(model.identity, files.identity)
    close(model.expression, files.expression)
    assert model.expression_names == files.truth.expression_names
    assert torch.equal(model.triangles, files.truth.triangles)
    assert torch.equal(model.mirror, files.truth.mirror)
    close(model.uv[model.uv_triangles], files.truth.uv[files.truth.uv_triangles], 0)
    assert len(model.uv) == len(files.truth.uv)  # corners that coincide are one UV point
    assert model.extras["joint_parents"].tolist() == [-1, 0, 1, 1]
    assert model.extras["group:nose"].nonzero()[:, 0].tolist() == [1]
    flipped = load_model(
        files.gnm(tmp_path / "g.npz", triangles=files.triangles[:, ::-1], triangle_uvs=np.zeros((576, 3, 2)))
    )
    assert torch.equal(flipped.triangles, files.truth.triangles)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": "expression_basis"}, "lacks expression_basis"),
        ({"expression_names": np.arange(5)}, "5 names"),
        ({"mirror_indices": np.zeros(3, dtype=int)}, "mirror_indices has the shape"),
        ({"joint_parent_indices": np.array([-1, 9])}, "joint_parent_indices runs from"),
        ({"triangles": np.array([[0, 1, 290]])}, "triangles runs from"),
    ],
)
def test_gnm_wrong_content(files: Any, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelFileError, match=rf"gnm\.npz.*{message}"):
        load_model(files.gnm(tmp_path / "gnm.npz", **change))


class FakeHead:
    """Behaves as body-models 0.26 documents: metres, rest pose of zeros, linear in the coefficients."""

    def __init__(self, files: Any, quads: bool) -> None:
        self._files = files
        pad = files.triangles[:, 2:]
        self.faces = np.hstack([files.triangles, pad]) if quads else files.triangles
        self.parameter_spec = {
            "shape": types.SimpleNamespace(dims=(6,)),
            "expression": types.SimpleNamespace(dims=(5,)),
        }

    def get_rest_pose(self, *, batch_dims: tuple[int, ...]) -> dict[str, np.ndarray]:
        shapes = {"shape": (6,), "expression": (5,), "head_pose": (3, 3)}
        return {name: np.zeros((*batch_dims, *shape), dtype=np.float32) for name, shape in shapes.items()}

    def forward_vertices(self, shape: Any, expression: Any, head_pose: Any) -> np.ndarray:
        offset = np.tensordot(shape, self._files.identity, 1) + np.tensordot(
            expression, self._files.expression, 1
        )
        return (self._files.mean + offset + head_pose.sum()) / 1000


@pytest.mark.parametrize("quads", [False, True])
def test_body_models(files: Any, monkeypatch: pytest.MonkeyPatch, quads: bool) -> None:
    asked: list[Any] = []

    def create_model(name: str, **options: Any) -> FakeHead:
        asked.append((name, options))
        return FakeHead(files, quads)

    monkeypatch.setitem(sys.modules, "body_models", types.SimpleNamespace(create_model=create_model))
    model = load_model("body-models:gnm", model_path="there.npz")
    assert asked == [("gnm", {"runtime": "numpy", "model_path": Path("there.npz")})]
    close(model.mean, files.mean)
    close(model.identity, files.identity)
    close(model.expression, files.expression)
    assert model.expression_names == tuple(f"expression_{i:02d}" for i in range(5))
    assert torch.equal(model.triangles[: len(files.triangles)], files.truth.triangles)


def test_body_models_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "body_models", None)
    with pytest.raises(ModelFileError, match=r"wholeface\[body-models\]"):
        load_model("body-models:flame")
    with pytest.raises(UsageError, match=r"'smpl' is not a head.*flame, gnm"):
        load_model("body-models:smpl")

    def create_model(name: str, **options: Any) -> Any:
        raise FileNotFoundError("FLAME model not found. Run ...")

    monkeypatch.setitem(sys.modules, "body_models", types.SimpleNamespace(create_model=create_model))
    with pytest.raises(ModelFileError, match=r"body-models:flame.*FLAME model not found"):
        load_model("body-models:flame")


def write_weights(path: Path) -> Path:
    from safetensors.torch import save

    path.write_bytes(save({"mean": torch.zeros(4, 3)}))
    return path


def test_own_format_goes_to_its_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    reader = types.SimpleNamespace(read_asset=lambda path=None: asked.append(path))
    monkeypatch.setitem(sys.modules, "wholeface.morphable.loaders.wholeface", reader)
    load_model()
    load_model("wholeface")
    load_model(write_weights(tmp_path / "w"))
    assert asked == [None, None, tmp_path / "w"]


def test_format_is_told_by_content(files: Any, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    writers: dict[str, list[Callable[[Path], Path]]] = {
        "bfm09": [files.bfm_front, files.bfm_original],
        "bfm17": [files.bfm17],
        "flame": [
            files.flame,
            lambda path: files.flame(path, style="npz"),
            lambda path: files.flame(path, style="plain", protocol=0),
            lambda path: files.flame(path, style="plain", protocol=5),
        ],
        "gnm": [files.gnm],
        "ict": [files.ict_packed, files.ict_folder],
        "wholeface": [write_weights],
    }
    assert set(writers) == set(MODEL_FORMATS)
    for kind, functions in writers.items():
        for number, write in enumerate(functions):
            assert detect_format(write(tmp_path / f"{kind}{number}.anything")) == kind


@pytest.mark.parametrize(
    "content", [b"\x93NUMPY\x01\x00", b"hello", b"\x00" * 30, b"PK\x03\x04", b"\xff\xd8\xff\xe0"]
)
def test_unknown_format_lists_the_known(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "what.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"what\.pkl") as caught:
        load_model(path)
    if not content.startswith(b"PK"):
        for text in MODEL_FORMATS.values():
            assert text in str(caught.value)


def test_missing_empty_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot read the model file .*no\.pkl"):
        load_model(tmp_path / "no.pkl")
    (tmp_path / "empty.h5").touch()
    with pytest.raises(ModelFileError, match=r"empty\.h5 is empty"):
        load_model(tmp_path / "empty.h5")
    with pytest.raises(ModelFileError, match=r"no format that is known here.*ICT-FaceKit"):
        load_model(tmp_path)
    with pytest.raises(ModelFileError, match="cannot read"):
        load_model("a\0b")


def test_any_loaded_model_can_be_posed(files: Any, tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    models: list[MorphableModel] = [
        load_model(files.bfm_front(tmp_path / "a")),
        load_model(files.bfm17(tmp_path / "b")),
        load_model(files.flame(tmp_path / "c"), identity_modes=6),
        load_model(files.gnm(tmp_path / "d")),
        load_model(files.ict_packed(tmp_path / "e")),
    ]
    truth = files.truth
    for model in models:
        moved = model.vertices(torch.ones(2, 6), torch.ones(2, 5)) - model.mean
        expected = truth.vertices(torch.ones(2, 6), torch.ones(2, 5)) - truth.mean
        assert moved.shape == (2, files.count, 3)
        close(moved, expected, 1e-3)
