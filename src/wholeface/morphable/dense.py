"""The dense landmarks: points all over the face, ears, hairline and neck that our own network predicts."""

from __future__ import annotations

import torch

from ..core.errors import UsageError
from .embedding import Embedding
from .model import MorphableModel

__all__ = ["DENSE_COUNT", "dense_embedding", "dense_mirror", "has_dense"]

# Chosen once by farthest-point sampling, in mirror pairs, over what the 478 points leave bare (11 mm apart on the
# face, sparser on ears, hairline and neck), and frozen: released weights depend on their order.
# fmt: off
_EXTRA_VERTICES = (
    838, 846, 852, 854, 856, 862, 875, 893, 1170, 1204, 1207, 1211, 1217, 1352, 1360, 1438, 1441, 1448,
    1503, 1544, 1643, 1645, 1652, 1710, 1716, 1816, 1927, 1968, 2194, 2569, 2614, 2653, 2684, 2704, 2733,
    2785, 2833, 2841, 2857, 2980, 2994, 3029, 3067, 3075, 3100, 3129, 3170, 3197, 3291, 3298, 3362, 3437,
    3441, 3467, 3490, 3681, 3694, 3697, 3710, 5094, 5100, 5749, 5757, 5763, 5765, 5767, 5773, 5786, 5804,
    6081, 6115, 6118, 6122, 6128, 6263, 6271, 6349, 6352, 6359, 6414, 6455, 6554, 6556, 6563, 6621, 6627,
    6727, 6838, 6879, 7105, 7480, 7525, 7564, 7595, 7615, 7644, 7696, 7744, 7752, 7768, 7891, 7905, 7940,
    7978, 7986, 8011, 8040, 8081, 8108, 8202, 8209, 8273, 8348, 8352, 8378, 8401, 8592, 8605, 8608, 8621,
    10005, 10011,
)
# fmt: on
DENSE_COUNT = 478 + len(_EXTRA_VERTICES)


def has_dense(model: MorphableModel) -> bool:
    """Whether the dense landmarks have their places on this model's mesh."""
    return model.name == "wholeface" and model.landmarks_478 is not None and model.vertex_count == 10021


def dense_embedding(model: MorphableModel) -> Embedding:
    """600 points on the shipped head: the 478 of MediaPipe, then 122 of cheeks, forehead, jaw, ears and neck.

    Args:
        model: the shipped model (``load_model("wholeface")``); the extra points are vertices of its mesh.

    Raises:
        UsageError: a model with another mesh.
    """
    if not has_dense(model) or model.landmarks_478 is None:
        raise UsageError(
            f"the dense landmarks lie on the shipped mesh; face model {model.name!r} with {model.vertex_count} "
            "vertices has others; use its 68 landmarks"
        )
    extra = torch.tensor(_EXTRA_VERTICES, dtype=torch.int64)
    first = torch.full(
        (model.vertex_count,), -1, dtype=torch.int64
    )  # a triangle of each vertex, and its corner there
    corner = torch.zeros(model.vertex_count, dtype=torch.int64)
    for k in (2, 1, 0):
        first[model.triangles[:, k]] = torch.arange(len(model.triangles))
        corner[model.triangles[:, k]] = k
    weights = torch.nn.functional.one_hot(corner[extra], 3).to(model.landmarks_478.barycentric)
    return Embedding(
        torch.cat([model.landmarks_478.triangle, first[extra]]),
        torch.cat([model.landmarks_478.barycentric, weights]),
    )


def dense_mirror(model: MorphableModel) -> torch.Tensor:
    """(600,) int64, the point that each dense landmark becomes in a mirrored image.

    Found on the mean face: the point nearest to the mirror image of each one.

    Raises:
        UsageError: a model with another mesh.
    """
    points = dense_embedding(model).points(model.mean, model.triangles).double()
    flipped = points * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    cost = torch.cdist(flipped, points).numpy()
    from scipy.optimize import linear_sum_assignment

    _, columns = linear_sum_assignment(cost**2)
    return torch.from_numpy(columns)
