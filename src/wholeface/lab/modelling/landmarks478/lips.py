"""Where the 478 points of the lower lip's inner edge lie: measured with open jaws, on the lower lip alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.nearest import Surface
from ....morphable.embedding import Embedding
from ....morphable.model import MorphableModel
from ....perceive import LandmarkDetector
from ....perceive.mediapipe.mirror import MIRROR_478
from .embedding import Calibration478, embed_478, skin_triangles
from .noise import detector_residuals, to_face_axes
from .samples import DetectionSet, detections
from .views import ViewSettings

__all__ = ["LOWER_INNER_LIP", "embed_lips", "lower_face", "measure_lips", "with_lips"]

LOWER_INNER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""The lower lip's inner edge, corners excluded, from the face's own right to its left."""

_UPPER_INNER_68, _LOWER_INNER_68 = (60, 61, 62, 63, 64), (60, 67, 66, 65, 64)
_JAW = "jawOpen"
_OPEN = (0.1, 0.6)  # wider mouths are rare in photos, and the detector's points wander outwards with them
_LEAST = 0.5  # of the views, in which the face must be found


def measure_lips(
    model: MorphableModel, detector: LandmarkDetector, *, count: int = 400, seed: int = 14
) -> tuple[MorphableModel, dict[str, Any]]:
    """Put the points of the lower lip's inner edge where the detector sees them when the jaw is open.

    While the lips touch, one pixel's breadth decides which lip a detection of the inner edge votes for. So ``count``
    views with the jaw opened by 0.1 to 0.6 are rendered, and votes count on the lower lip only. All other points
    stay where they are. Deterministic in ``seed``; about 0.1 s per view on one core.

    Args:
        model: with ``landmarks_478``, 68 landmarks and the expression ``jawOpen``.
        detector: whose points these are.
        count: of views.
        seed: of the views.

    Returns:
        The model with the new places, see :func:`with_lips`; and a report for the card, lengths in mm.

    Raises:
        UsageError: the model lacks what is needed, or the detector found too few of the faces.
    """
    lower_face(model)  # refuses unfit models before anything is rendered
    settings = ViewSettings(yaw=15, pitch=9, jaw=_OPEN)
    samples = detections(model, detector, count, seed, settings)
    if len(samples) < _LEAST * count:
        raise UsageError(f"the detector found only {len(samples)} of {count} rendered faces with open mouths")
    found = embed_lips(model, samples)
    rows = list(LOWER_INNER_LIP)
    mended = with_lips(model, found.embedding)
    assert model.landmarks_478 is not None
    assert mended.landmarks_478 is not None
    before, after = (m.landmarks_478.points(m.mean, m.triangles)[rows] for m in (model, mended))  # type: ignore[union-attr]
    return mended, {
        "points": rows,
        "views": len(samples),
        "votes_least": int(found.votes[rows].min()),
        "spread_mm": round(float(found.spread[rows].max()), 2),
        "moved_mm": [round(float(d), 2) for d in (after - before).norm(dim=1)],
    }


def embed_lips(model: MorphableModel, samples: DetectionSet) -> Calibration478:
    """Places of :data:`LOWER_INNER_LIP` from detections on faces with open mouths.

    The votes on the lower lip leave out what fell into the mouth, so their mean lies too low. In a second step each
    point moves by the median of all its residuals, across the face; the lip's surface then holds it: a point that
    the detector sees in the mouth comes to lie on the lip's edge.

    Args:
        model: see :func:`measure_lips`.
        samples: detections on faces with open mouths.

    Returns:
        The model's own embedding with the new places; spread and votes of the votes on the lower lip.

    Raises:
        UsageError: too few detections on the lower lip.
    """
    lower = lower_face(model)
    votes = embed_478(model, samples, within=lower)
    rough = with_lips(model, votes.embedding)
    residual = to_face_axes(detector_residuals(rough, samples), samples.rotation)  # y down
    shift = np.median(residual, axis=0) * np.array([1.0, -1.0])
    shift = (shift + shift[MIRROR_478] * np.array([-1.0, 1.0])) / 2
    assert rough.landmarks_478 is not None
    places = rough.landmarks_478.points(rough.mean.double(), rough.triangles).cpu().numpy()
    places[:, :2] += shift
    kept = np.nonzero(lower & skin_triangles(model))[0]
    surface = Surface(model.mean.double().cpu().numpy(), model.triangles.cpu().numpy()[kept])
    rows = list(LOWER_INNER_LIP)
    local, weights = surface.barycentric(places[rows])
    triangle, barycentric = (
        rough.landmarks_478.triangle.clone(),
        rough.landmarks_478.barycentric.clone(),
    )
    triangle[rows] = torch.from_numpy(kept[local]).to(triangle)
    barycentric[rows] = torch.from_numpy(weights).to(barycentric)
    return Calibration478(Embedding(triangle, barycentric), votes.spread, votes.votes)


def lower_face(model: MorphableModel) -> NDArray[np.bool_]:
    """(F,) triangles that go with the jaw: lower lip, chin, lower cheeks.

    A triangle is the lower face's where ``jawOpen`` moves its middle down by more than the mean of what it moves
    the inner edges of the upper and the lower lip, at the same distance from the midline. Mirror-symmetric if the
    model is.

    Raises:
        UsageError: no expression ``jawOpen``, or no 68 landmarks.
    """
    if _JAW not in model.expression_names or model.landmarks_68 is None:
        raise UsageError(
            f"face model {model.name!r} needs 68 landmarks and the expression {_JAW!r} to tell its lips apart"
        )
    triangles = model.triangles
    jaw = model.expression[model.expression_names.index(_JAW)].double()
    edge = model.landmarks_68.points(model.mean.double(), triangles).cpu().numpy()[:, 0]
    falls = model.landmarks_68.points(jaw, triangles).cpu().numpy()[:, 1]
    x, dy = (a.double()[triangles].mean(dim=1).cpu().numpy() for a in (model.mean[:, 0], jaw[:, 1]))
    away = np.abs(x)
    rows = []
    for row in (_UPPER_INNER_68, _LOWER_INNER_68):
        own = np.abs(edge[list(row)])
        order = np.argsort(own, kind="stable")
        rows.append(np.interp(away, own[order], falls[list(row)][order]))
    return np.asarray(dy < (rows[0] + rows[1]) / 2)


def with_lips(model: MorphableModel, embedding: Embedding) -> MorphableModel:
    r"""The model with the points :data:`LOWER_INNER_LIP` where ``embedding`` has them; the others are not touched.

    Where the model knows how the detector answers to the coefficients (``extras["landmarks_478_response"]``), the
    rows of these points are written anew, relative to their new places: with :math:`B` the points' mean and modes,
    :math:`D' = D + B - B'`, so that the detections predicted for a face remain the same.

    Args:
        model: with ``landmarks_478``.
        embedding: of the 478 points.

    Raises:
        UsageError: the model has no embedding to be mended, or the new one lacks one of the points.
    """
    old = model.landmarks_478
    if old is None or len(embedding) != len(MIRROR_478):
        raise UsageError(f"face model {model.name!r} has no embedding of the 478 points; calibrate it first")
    rows = torch.tensor(LOWER_INNER_LIP)
    if not bool(torch.isfinite(embedding.barycentric[rows]).all()):
        raise UsageError("too few detections on the lower lip to place its points; render more views")
    triangle, barycentric = old.triangle.clone(), old.barycentric.clone()
    triangle[rows] = embedding.triangle[rows].to(triangle)
    barycentric[rows] = embedding.barycentric[rows].to(barycentric)
    new = Embedding(triangle, barycentric)
    extras = dict(model.extras)
    response = extras.get("landmarks_478_response")
    if response is not None:
        blocks = torch.cat([model.mean[None], model.identity, model.expression]).double()
        shift = (old.points(blocks, model.triangles) - new.points(blocks, model.triangles))[:, rows]
        response = response.clone()
        width = response.shape[2]
        moved = response[rows].double() + shift.permute(1, 2, 0)[..., :width]
        response[rows] = moved.to(response)
        extras["landmarks_478_response"] = response
    return replace(model, landmarks_478=new, extras=extras)
