"""A face of the egg in the middle of its crop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel, Parameters
from wholeface.perceive import FaceLandmarks
from wholeface.photo import Similarity, read_photo
from wholeface.render import Camera, ambient_light, rotation_from_degrees
from wholeface.stages import BumpMap, FaceFit, FaceState, MaskEstimate
from wholeface.stages.texture.uv.atlas import FACE, surface_of
from wholeface.stages.upright import UprightFace, upright

SIZE = 128


def crop_of(face: FaceState) -> UprightFace:
    assert face.fit is not None
    return upright(face.fit, Similarity(), SIZE)


def shown(face: FaceState, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(S, S) where the face is, and per-vertex values there."""
    assert face.fit is not None
    where = crop_of(face)
    surface = surface_of(face.fit.model)
    seen = where.posed.seen(where.camera)
    triangle, weights = seen.triangle[0].numpy(), seen.barycentric[0].numpy()
    region = (triangle >= 0) & (surface.kind[np.maximum(triangle, 0)] == FACE)
    image = np.zeros(triangle.shape, np.float32)
    image[region] = (weights[region] * values[surface.triangles[triangle[region]]]).sum(axis=1)
    return region, image


@pytest.fixture(scope="session")
def even_head(head: MorphableModel) -> MorphableModel:
    """The egg with diagonals that are mirrored, too."""
    own = (head.mean[head.triangles][..., 0] >= 0).all(1)
    half, flat = head.triangles[own], head.uv_triangles[own]
    image = head.mirror[half][:, [0, 2, 1]]
    away = torch.cdist(head.uv * torch.tensor([-1.0, 1.0]) + torch.tensor([1.0, 0.0]), head.uv)
    mirrored = away.argmin(dim=1)[flat][:, [0, 2, 1]]
    assert float(away.min(dim=1).values.max()) < 1e-3
    return replace(
        head, triangles=torch.cat([half, image]), uv_triangles=torch.cat([flat, mirrored]), landmarks_68=None
    )


@pytest.fixture
def seen_face(head: MorphableModel) -> Callable[..., FaceState]:
    """``seen_face(heights, yaw=…, hidden=…)``: the bump map shows per-vertex heights in mm wherever nothing hides it.

    ``hidden`` is (S, S) bool, the occluder.
    """

    def make(
        heights: np.ndarray,
        *,
        yaw: float = 0.0,
        hidden: np.ndarray | None = None,
        model: MorphableModel = head,
    ) -> FaceState:
        parameters = Parameters(
            torch.zeros(6), torch.zeros(5), torch.zeros(4), ambient_light(),
            rotation_from_degrees(yaw, 0.0, 0.0).float(), torch.tensor([0.0, 0.0, -900.0]),
        )  # fmt: skip
        photo = read_photo(np.full((SIZE, SIZE, 3), 120, np.uint8))
        fit = FaceFit(model, parameters, Camera.of_photo(SIZE, SIZE, 900 * SIZE / 270))
        points = np.stack(np.meshgrid(np.linspace(30, 90, 17), np.linspace(30, 90, 4)), -1).reshape(-1, 2)
        state = FaceState(photo, FaceLandmarks.from_points(points, "ibug68"), fit=fit)
        region, image = shown(state, heights)
        occluder = np.zeros((SIZE, SIZE), bool) if hidden is None else hidden & region
        seen = region & ~occluder
        source = np.where(seen, np.uint8(Provenance.OBSERVED), np.uint8(Provenance.NONE))
        source[occluder] = Provenance.MODEL
        bump = BumpMap(
            Similarity(),
            np.where(seen, image, np.float32(0)),
            source,
            np.where(seen, np.float32(0.8), np.float32(0)),
        )
        return state.with_(bump=bump, mask=MaskEstimate(occluder.astype(np.float32), region))

    return make
