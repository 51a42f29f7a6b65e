"""The reference for a face: a short list by viewpoint, and the most similar subject of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["best_reference", "shortlist"]


def shortlist(viewpoints: NDArray[np.floating], yaw: float, pitch: float, count: int) -> NDArray[np.int64]:
    """(k,) the references seen most nearly from where the face is seen, nearest first.

    Args:
        viewpoints: (N, 2) degrees, yaw and pitch of the references; images are upright, so roll plays no part.
        yaw, pitch: of the face, degrees.
        count: k, at most N are returned.

    Raises:
        UsageError: no reference is wanted.
    """
    if count < 1:
        raise UsageError(f"a short list holds one reference at least, not {count}")
    away = np.hypot(viewpoints[:, 0] - yaw, viewpoints[:, 1] - pitch)
    return np.argsort(away, kind="stable")[:count].astype(np.int64)


def best_reference(
    embeddings: NDArray[np.floating], wanted: NDArray[np.floating], among: NDArray[np.int64]
) -> tuple[int, float]:
    """The reference of largest cosine similarity, and that similarity.

    Args:
        embeddings: (N, D) unit vectors.
        wanted: (D,) unit vector of the face.
        among: (k,) numbers of references.

    Raises:
        UsageError: embeddings of another length.
    """
    if wanted.shape != embeddings.shape[1:]:
        raise UsageError(
            f"the embedding of the face has {wanted.shape} numbers, those of the references {embeddings.shape[1:]}; "
            "make the references with the embedding that the face gets"
        )
    similarity = embeddings[among] @ wanted
    best = int(np.argmax(similarity))
    return int(among[best]), float(similarity[best])
