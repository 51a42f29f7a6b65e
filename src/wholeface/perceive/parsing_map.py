"""Two face parsing maps become one without occluders: the "face parsing map plus" of Zhao and Qi."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from .labels import ParsingClass

__all__ = ["FEATURE_CLASSES", "SKIN_CLASSES", "parsing_map_plus"]

SKIN_CLASSES: tuple[ParsingClass, ...] = (ParsingClass.SKIN,)
"""The paper's set O, facial skin."""

FEATURE_CLASSES: tuple[ParsingClass, ...] = (
    ParsingClass.NOSE,
    ParsingClass.LEFT_EYE,
    ParsingClass.RIGHT_EYE,
    ParsingClass.LEFT_BROW,
    ParsingClass.RIGHT_BROW,
    ParsingClass.INNER_MOUTH,
    ParsingClass.UPPER_LIP,
    ParsingClass.LOWER_LIP,
)
"""The paper's set S: brows, eyes, nose, lips. The part "lips" is all that lies within the outer lip line, so the
inner mouth counts to it: else the lips of the second map would close a mouth that the first map sees open."""


def parsing_map_plus(
    map_alpha: NDArray[np.integer[Any]],
    map_beta: NDArray[np.integer[Any]],
    *,
    skin: Iterable[int] = SKIN_CLASSES,
    features: Iterable[int] = FEATURE_CLASSES,
    as_printed: bool = False,
) -> NDArray[np.uint8]:
    """Completes the map of what is seen by the map that the landmarks imply (Algorithm 1).

    With A = ``map_alpha``, B = ``map_beta``, O = ``skin`` and S = ``features``, for every pixel::

        pass 1, complete skin          pass 2, complete features
        A in O            C <- A       A in S            C <- A
        else if B in O    C <- B       else if B in S    C <- B
        else              C <- A       else              C stays

    ==================  ==========  ===========  ==========
    result              B in O      B in S       B neither
    ==================  ==========  ===========  ==========
    A in O              A           **B**        A
    A in S              A           A            A
    A neither           B           B            A
    ==================  ==========  ===========  ==========

    Both passes ask A, never the half-finished C. Hence a feature that A sees stays where B has skin, although pass 1
    wrote B's skin there; and a feature of B is drawn over A's skin (bold), the one place where a face label of A
    yields. Everything else that is not face in A (a hand, hair, glasses, the background) yields to B's face.

    The paper prints the last branch of pass 2 as ``C <- A`` too. Taken at its word it undoes pass 1: no pixel of
    skin could ever be completed, against the aim ("generate complete face skin") and against its figure 2, where
    fingers on the cheek are gone. ``as_printed=True`` does that nevertheless: C is A, with B's features.

    Args:
        map_alpha: (…, H, W) integer labels in 0…255 of what is seen, the parsing network's.
        map_beta: (…, H, W) integer labels in 0…255, e.g. of :func:`landmark_map`; leading axes broadcast.
        skin: labels of facial skin.
        features: labels of brows, eyes, nose and lips.
        as_printed: take the last branch of the second pass at its word.

    Returns:
        (…, H, W) uint8 labels, a new array.

    Raises:
        UsageError: maps of different height or width, not integer, labels outside 0…255, or a label that is both
            skin and feature.

    Source: Zhao and Qi 2021, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.2.
    """
    a, b = _labels("map_alpha", map_alpha), _labels("map_beta", map_beta)
    if a.shape[-2:] != b.shape[-2:]:
        raise UsageError(
            f"map_alpha and map_beta must have the same height and width, got {a.shape[-2:]} and {b.shape[-2:]}"
        )
    in_skin, in_features = _table("skin", skin), _table("features", features)
    both = np.flatnonzero(in_skin & in_features)
    if both.size:
        raise UsageError(f"label {both[0]} is in skin and in features; it can be in one of them only")
    try:
        a, b = np.broadcast_arrays(a, b)
    except ValueError as error:
        raise UsageError(f"map_alpha {a.shape} and map_beta {b.shape} do not broadcast") from error

    completed = a if as_printed else np.where(~in_skin[a] & in_skin[b], b, a)
    return np.where(in_features[a], a, np.where(in_features[b], b, completed)).astype(np.uint8)


def _labels(name: str, labels: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    labels = np.asarray(labels)
    if labels.ndim < 2 or not np.issubdtype(labels.dtype, np.integer):
        raise UsageError(f"{name} must be an integer map (…, H, W), got {labels.dtype} {labels.shape}")
    if labels.size and (labels.min() < 0 or labels.max() > 255):
        raise UsageError(f"{name} must hold labels in 0…255, got {labels.min()}…{labels.max()}")
    return labels.astype(np.uint8, copy=False)


def _table(name: str, classes: Iterable[int]) -> NDArray[np.bool_]:
    """(256,) bool, True at the labels of the set."""
    table = np.zeros(256, dtype=bool)
    for label in classes:
        if not 0 <= label <= 255:
            raise UsageError(f"{name} must hold labels in 0…255, got {label}")
        table[int(label)] = True
    return table
