from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError
from wholeface.morphable import srgb_to_linear
from wholeface.morphable.loaders import load_model


def close(actual: torch.Tensor, expected: Any, tolerance: float = 2e-4) -> None:
    torch.testing.assert_close(actual.double(), torch.as_tensor(expected).double(), rtol=0, atol=tolerance)


STYLES = [("python2", 2), ("python2", 4), ("plain", 0), ("plain", 2), ("plain", 4), ("plain", 5), ("npz", 0)]


@pytest.mark.parametrize(("style", "protocol"), STYLES)
def test_matches_truth(files: Any, tmp_path: Path, style: str, protocol: int) -> None:
    path = files.flame(tmp_path / "generic_model.pkl", style=style, protocol=protocol)
    model = load_model(path, identity_modes=6)
    assert (model.name, model.version) == ("flame", "generic_model")
    close(model.mean, files.mean)
    close(model.identity, files.identity)
    close(model.expression[:-1], files.expression)
    assert model.expression_names == (*(f"expression_{i:02d}" for i in range(5)), "jawOpen")
    assert torch.equal(model.triangles, files.truth.triangles)
    fields = files.flame_fields()
    close(model.extras["skinning_weights"], fields["weights"], 1e-6)
    close(model.extras["joint_regressor"], fields["J_regressor"].toarray(), 1e-6)
    close(model.extras["pose_correctives"].permute(1, 2, 0), fields["posedirs"] * 1000, 1e-4)
    assert model.extras["joint_parents"].tolist() == [-1, 0, 1, 1, 1]
    assert "chumpy" not in sys.modules


def test_jaw_mode_is_skinning_by_15_degrees(files: Any, tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    model = load_model(files.flame(tmp_path / "m.pkl"), identity_modes=6)
    fields = files.flame_fields()
    turn = Rotation.from_euler("x", 15, degrees=True).as_matrix()
    features = np.concatenate([np.zeros(9), (turn - np.eye(3)).reshape(-1), np.zeros(18)])
    joint = (fields["J_regressor"] @ fields["v_template"])[2]
    expected = np.empty_like(files.mean)
    for v, rest in enumerate(fields["v_template"]):
        posed = rest + fields["posedirs"][v] @ features
        jaw = fields["weights"][v, 2]
        expected[v] = (1 - jaw) * posed + jaw * (turn @ (posed - joint) + joint) - rest
    close(model.expression[-1], expected * 1000)
    chin = (model.extras["skinning_weights"][:, 2] > 0.2) & (model.mean[:, 2] > 40) & (model.mean[:, 1] < -40)
    assert chin.any()
    assert (model.expression[-1][chin, 1] < 0).all()  # the chin goes down


def test_default_split(files: Any, tmp_path: Path) -> None:
    model = load_model(files.flame(tmp_path / "m.pkl"))
    assert (model.identity_size, model.expression_size) == (11, 1)  # fewer than 300 directions: all identity


@pytest.mark.parametrize("torch_tensors", [False, True])
def test_landmarks(files: Any, tmp_path: Path, torch_tensors: bool) -> None:
    embedding = files.flame_embedding(tmp_path / "landmark_embedding.npy", torch_tensors=torch_tensors)
    expected = files.truth.landmarks_68.points(files.truth.mean, files.truth.triangles)
    for changes in ({}, {"f": files.triangles[:, ::-1].astype(np.uint32)}):
        model = load_model(files.flame(tmp_path / "m.pkl", **changes), landmarks=embedding)
        points = model.landmarks_68.points(model.mean, model.triangles)
        if not changes:
            close(points, expected)
            continue
        # Corners stored the other way round: the loader turns them and the weights with them.
        flipped = (
            files.truth.landmarks_68.barycentric[..., None]
            * files.truth.mean[files.truth.triangles[files.truth.landmarks_68.triangle].flip(-1)]
        )
        close(points, flipped.sum(-2))


def test_texture_space(files: Any, tmp_path: Path) -> None:
    texture = files.flame_texture(tmp_path / "FLAME_texture.npz")
    model = load_model(files.flame(tmp_path / "m.pkl"), texture=texture)
    close(model.uv, files.truth.uv, 0)
    assert torch.equal(model.uv_triangles, files.truth.uv_triangles)
    albedo = model.albedo
    assert albedo.space == "srgb"
    assert albedo.mean_texture.shape == (3, 16, 16)
    assert albedo.basis_texture.shape == (2, 3, 8, 8)
    rows = torch.linspace(250, 20, 16)
    close(albedo.mean_texture[0, :, 0], rows / 255, 1e-6)  # red is the file's last channel
    close(albedo.mean_texture[2, :, 0], rows * 0.2 / 255, 1e-6)
    close(albedo.basis_texture[1, 0], torch.full((8, 8), 5 / 255), 1e-6)
    close(albedo.basis_texture[1, 1:], torch.zeros(2, 8, 8), 0)
    # Per vertex: v = 1 is the top row; texel centres at (i + ½) / 16; linear in between.
    corner = model.uv_triangles.flatten()
    height = torch.empty(files.count)
    height[model.triangles.flatten()] = model.uv[corner, 1]
    row = ((1 - height) * 16 - 0.5).clamp(0, 15)
    close(albedo.mean[:, 0], (250 - row * 230 / 15) / 255, 1e-5)
    close(albedo.texture(torch.zeros(2), 16), srgb_to_linear(albedo.mean_texture), 1e-6)
    one = load_model(tmp_path / "m.pkl", texture=texture, albedo_modes=1)
    assert one.albedo.size == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drop": "posedirs"}, "lacks posedirs"),
        ({"shapedirs": np.ones((5, 3, 2))}, r"shapedirs has the shape \(5, 3, 2\)"),
        ({"f": np.array([[0, 1, 9999]])}, "f runs from 0 to 9999"),
        ({"v_template": np.full((290, 3), np.inf)}, "not finite"),
        ({"v_template": [[1.0, 2.0], [3.0]]}, "v_template"),
        ({"v_template": np.zeros((0, 3))}, "m.pkl"),
        ({"kintree_table": np.zeros((2, 24), dtype=int)}, "24 joints.*body model"),
        ({"kintree_table": np.zeros((2, 5), dtype=int)}, "skeleton"),
        ({"weights": None}, "weights should hold numbers"),
    ],
)
@pytest.mark.parametrize("style", ["plain", "npz"])
def test_wrong_content(files: Any, tmp_path: Path, change: dict[str, Any], message: str, style: str) -> None:
    if style == "npz" and any(value is None or isinstance(value, list) for value in change.values()):
        pytest.skip("cannot be written as a plain array")
    path = files.flame(tmp_path / "m.pkl", style=style, **change)
    with pytest.raises(ModelFileError, match=rf"m\.pkl.*{message}|m\.pkl.*no vertices"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"full_lmk_faces_idx": np.zeros((1, 51), dtype=int)}, "full_lmk_faces_idx has the shape"),
        ({"full_lmk_faces_idx": np.full((1, 68), 5000)}, "runs from 5000"),
        ({"full_lmk_bary_coords": np.ones((1, 68, 3))}, "does not sum to 1"),
        ({"full_lmk_bary_coords": torch.ones(1, 68, 3)}, "full_lmk_bary_coords should hold numbers"),
    ],
)
def test_wrong_landmarks(files: Any, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    embedding = files.flame_embedding(tmp_path / "lmk.npy", **changes)
    with pytest.raises(ModelFileError, match=rf"lmk\.npy.*{message}"):
        load_model(files.flame(tmp_path / "m.pkl"), landmarks=embedding)


def test_landmarks_without_the_68(tmp_path: Path, files: Any) -> None:
    path = tmp_path / "static.pkl"
    path.write_bytes(pickle.dumps({"lmk_face_idx": np.zeros(51), "lmk_b_coords": np.zeros((51, 3))}))
    with pytest.raises(ModelFileError, match=r"static\.pkl.*68 points.*lacks full_lmk_faces_idx"):
        load_model(files.flame(tmp_path / "m.pkl"), landmarks=path)
    path.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ModelFileError, match=r"static\.pkl.*no named arrays"):
        load_model(tmp_path / "m.pkl", landmarks=path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ft": np.zeros((2, 3), dtype=int)}, "ft has the shape"),
        ({"mean": np.zeros((16, 8, 3))}, "square"),
        ({"mean": np.zeros((16, 16))}, "mean has the shape"),
        ({"tex_dir": np.zeros((8, 8, 3, 2))}, "tex_dir has the shape"),
        ({"tex_dir": np.zeros(3)}, "tex_dir has the shape"),
    ],
)
def test_wrong_texture(files: Any, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    texture = files.flame_texture(tmp_path / "t.npz", **changes)
    with pytest.raises(ModelFileError, match=rf"t\.npz.*{message}"):
        load_model(files.flame(tmp_path / "m.pkl"), texture=texture)


def test_chumpy_expression_without_an_array(files: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.pkl"
    path.write_bytes(b"\x80\x02cchumpy.ch\nadd\n)\x81}U\x01aK\x01sb.")
    with pytest.raises(ModelFileError, match=r"m\.pkl.*chumpy\.ch\.add.*plain NumPy arrays"):
        load_model(path)
