import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.export import Mesh

VERTICES = [[0, 0, 0], [1, 0, 0], [0, 1, 0]]
UV = [[0, 0], [1, 0], [0, 1]]
MAP = np.zeros((4, 4), np.uint8)


def test_tensors_and_lists_become_arrays():
    mesh = Mesh(
        torch.tensor(VERTICES, dtype=torch.float64, requires_grad=True),
        torch.tensor([[0, 1, 2]], dtype=torch.int32),
        uv=UV,
        texture=torch.zeros(4, 4, 3, dtype=torch.uint8),
        morph_targets={"a": torch.ones(3, 3)},
    )
    assert (mesh.vertices.dtype, mesh.triangles.dtype, mesh.uv.dtype) == (np.float32, np.int64, np.float32)
    np.testing.assert_array_equal(mesh.uv_triangles, mesh.triangles)
    assert mesh.texture.dtype == np.uint8
    np.testing.assert_array_equal(mesh.morph_targets["a"], 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vertices": [[0, 0], [1, 1], [2, 2]]}, "vertices must have shape"),
        ({"vertices": [[0, 0, np.nan]] * 3}, "not finite"),
        ({"vertices": [["a", "b", "c"]] * 3}, "numbers"),
        ({"triangles": [[0, 1, 3]]}, "triangles point outside"),
        ({"triangles": [[0, 1, -1]]}, "triangles point outside"),
        ({"triangles": np.zeros((0, 3), int)}, "non-empty"),
        ({"triangles": [[0.0, 1.0, 2.0]]}, "integer"),
        ({"uv": [[0, 0]]}, "need uv_triangles"),
        ({"uv": UV, "uv_triangles": [[0, 1, 2], [0, 1, 2]]}, "2 uv_triangles for 1"),
        ({"uv": UV, "uv_triangles": [[0, 1, 3]]}, "uv_triangles point outside"),
        ({"uv_triangles": [[0, 1, 2]]}, "without uv"),
        ({"texture": np.zeros((4, 4, 3), np.uint8)}, "needs uv"),
        ({"uv": UV, "texture": np.zeros((4, 4, 4), np.uint8)}, "texture must have shape"),
        ({"uv": UV, "texture": np.zeros((4, 4, 3))}, "texture must be uint8"),
        ({"normal_map": np.zeros((4, 4, 3), np.uint8)}, "needs uv"),
        ({"uv": UV, "normal_map": np.zeros((4, 4), np.uint8)}, "normal_map must have shape"),
        (
            {"colours": np.zeros((3, 3), np.uint8), "normal_map": np.zeros((4, 4, 3), np.uint8)},
            "either a texture",
        ),
        ({"uv": UV, "provenance": MAP + 6}, "code 6 has no name"),
        ({"uv": UV, "confidence": MAP}, "confidence must be float32"),
        ({"uv": UV, "confidence": MAP + 1.5}, "0…1"),
        ({"uv": UV, "confidence": MAP * np.nan}, "0…1"),
        ({"normals": [[0, 0, 1]]}, "normals must have shape"),
        ({"morph_targets": {"smile": [[0, 0, 0]]}}, "'smile' must have shape"),
        ({"morph_weights": [1.0]}, "morph_weights"),
        ({"glossy": [1]}, "glossy"),
        ({"provenance_names": ("a",)}, "differ in length"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        Mesh(**{"vertices": VERTICES, "triangles": [[0, 1, 2]], **changes})
