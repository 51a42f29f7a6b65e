"""The relief of a reference, brought into the crop of a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.short_repr import short_repr
from ....photo import Similarity, warp
from ....render import Camera, rasterize, rotation_from_degrees, to_camera
from ..dense.sampling import sample_known
from .frame import ReferenceFrame

__all__ = ["ReferenceView", "aligned", "laid_on", "seen_from"]

_FAR = 1500.0  # mm, as a portrait lens sees a head
_FILLS = 0.8  # of the image that the face takes


@dataclass(frozen=True)
class ReferenceView:
    """A reference bump map in image space.

    Args:
        displacement: (S, S) float32 mm along the outer normal, NaN where nothing is known and beside the face.
        landmarks: (68, 2) float64, iBUG points in its pixels.
    """

    displacement: NDArray[np.float32]
    landmarks: NDArray[np.float64]

    __repr__ = short_repr


def laid_on(
    relief: NDArray[np.float32],
    coordinates: NDArray[np.float32],
    corners: NDArray[np.int64],
    barycentric: NDArray[np.float32],
) -> NDArray[np.float32]:
    """(P,) mm, the reference's relief at surface points of a face, NaN where it knows none: registered by the mesh.

    Args:
        relief: (H, W) of the reference, in its frame.
        coordinates: (V, 2) from :func:`wholeface.stages.relief.examples.frame.coordinates_of`.
        corners: (P, 3) vertices of the triangles that the points lie on.
        barycentric: (P, 3).
    """
    place = np.einsum("pk,pkc->pc", barycentric, coordinates[corners], optimize=True)
    there = np.isfinite(place[:, 0])
    known = np.isfinite(relief)
    found = np.full(len(place), np.nan, np.float32)
    column, row = np.where(there[:, None], place, 0).T
    values, weight = sample_known(np.where(known, relief, 0), known, column, row)
    good = there & (weight > 0.25)
    found[good] = values[good]
    return found


def seen_from(
    relief: NDArray[np.float32], frame: ReferenceFrame, yaw: float, pitch: float, size: int
) -> ReferenceView:
    """A reference's bump map in image space, as its mean head shows it from a viewpoint.

    Args:
        relief: (H, W) in the frame.
        frame: of the references.
        yaw, pitch: degrees.
        size: S.
    """
    places = torch.from_numpy(np.nan_to_num(frame.places.reshape(-1, 3), nan=0.0))
    middle = torch.from_numpy(np.nanmean(frame.places.reshape(-1, 3), axis=0))
    marks = torch.from_numpy(frame.landmarks)
    extent = float(np.nanmax(np.linalg.norm(frame.places.reshape(-1, 3) - middle.numpy(), axis=1)))
    camera = Camera(_FILLS * size / 2 * _FAR / extent, (size - 1) / 2, (size - 1) / 2, size, size)
    rotation, back = rotation_from_degrees(yaw, pitch, 0.0).float(), torch.tensor([0.0, 0.0, -_FAR])
    points, spots = (to_camera(p - middle, rotation, back) for p in (places, marks))
    triangles = frame.triangles()
    seen = rasterize(points, torch.from_numpy(triangles), camera)
    triangle, weights = seen.triangle[0].numpy(), seen.barycentric[0].numpy()
    shown = triangle >= 0
    values = relief.reshape(-1)[triangles[triangle[shown]]]
    displacement = np.full((size, size), np.nan, np.float32)
    displacement[shown] = (weights[shown] * values).sum(axis=1)
    return ReferenceView(displacement, camera.project(spots).double().numpy())


def aligned(view: ReferenceView, landmarks: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """(S, S) float32 mm: a reference's bump map moved onto a face by the similarity of their 68 landmarks.

    Displacements stay as they are: faces differ less in size than images do.

    Args:
        view: of the reference.
        landmarks: (68, 2) of the face, pixels of its crop; rows of NaN do not count.
        size: S of the crop.

    Returns:
        NaN where the reference knows nothing.

    Source: Tran et al. 2018, sec. 4.2, "Blending details".
    """
    there = np.isfinite(landmarks).all(axis=1) & np.isfinite(view.landmarks).all(axis=1)
    move = Similarity.from_points(view.landmarks[there], landmarks[there])
    known = np.isfinite(view.displacement)
    edge = (size, size)
    values = warp(np.where(known, view.displacement, 0).astype(np.float32), move, edge)
    weight = warp(known.astype(np.float32), move, edge)
    found: NDArray[np.float32] = np.where(
        weight > 0.25, values / np.maximum(weight, 1e-6), np.float32(np.nan)
    ).astype(np.float32)
    return found
