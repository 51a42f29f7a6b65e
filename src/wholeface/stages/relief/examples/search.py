"""The reference for a face: a short list by viewpoint, and the most similar subjects of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["best_references", "shortlist"]


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


def best_references(
    embeddings: NDArray[np.floating], wanted: NDArray[np.floating], among: NDArray[np.int64], count: int = 1
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The references of largest cosine similarity, best first, and their similarities.

    Args:
        embeddings: (N, D) unit vectors.
        wanted: (D,) unit vector of the face.
        among: (k,) numbers of references.
        count: how many, at most k are returned.

    Returns:
        (m,) numbers and (m,) cosines.

    Raises:
        UsageError: embeddings of another length, or none is wanted.
    """
    if count < 1:
        raise UsageError(f"one reference at least is needed, not {count}")
    if wanted.shape != embeddings.shape[1:]:
        raise UsageError(
            f"the embedding of the face has {wanted.shape} numbers, those of the references {embeddings.shape[1:]}; "
            "make the references with the embedding that the face gets"
        )
    similarity = embeddings[among] @ wanted
    best = np.argsort(-similarity, kind="stable")[:count]
    return among[best], np.asarray(similarity[best], np.float32)
