from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel
from wholeface.stages.relief.examples import aligned, coordinates_of, frame_of, laid_on, seen_from
from wholeface.stages.texture.uv.atlas import FACE, surface_of


def test_the_frame_is_the_atlas_around_the_face(head: MorphableModel) -> None:
    frame, part = frame_of(head, 96)
    rows, columns = part
    assert frame.shape == (rows.stop - rows.start, columns.stop - columns.start)
    assert frame.face.any(axis=0).all()
    assert frame.face.any(axis=1).all()
    triangles = frame.triangles()
    corners = frame.places.reshape(-1, 3)[triangles]
    assert np.isfinite(corners).all()
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (np.einsum("fc,fc->f", outward, corners.mean(axis=1)) > 0).mean() > 0.99
    with pytest.raises(UsageError, match="lacks one of them"):
        frame_of(replace(head, landmarks_68=None), 96)


def test_a_model_finds_its_own_uv_in_its_own_frame(head: MorphableModel) -> None:
    size = 96
    frame, (rows, columns) = frame_of(head, size)
    found = coordinates_of(head, frame, "own")
    surface = surface_of(head)
    face = surface.kind == FACE
    place = head.uv.numpy()[head.uv_triangles.numpy()[face]] * [size, -size] + [
        -0.5 - columns.start,
        size - 0.5 - rows.start,
    ]
    off = np.linalg.norm(found[surface.triangles[face]] - place, axis=2)
    assert np.quantile(off, 0.9) < 0.3  # of a texel; at the rim the grid ends half a texel early
    assert off.max() < 1.2
    others = np.setdiff1d(np.arange(head.vertex_count), surface.triangles[face])
    assert np.isnan(found[others]).all()


def test_another_head_in_another_place_finds_the_same(head: MorphableModel) -> None:
    """Its own scale, pose and vertices' order: the 68 landmarks bring it into the frame."""
    frame, _ = frame_of(head, 96)
    own = coordinates_of(head, frame, "a")
    turned = head.mean @ torch.tensor([[0.8, 0.0, 0.6], [0.0, 1.0, 0.0], [-0.6, 0.0, 0.8]]) * 1.7 + 12
    there = coordinates_of(replace(head, mean=turned), frame, "b")
    np.testing.assert_allclose(there, own, atol=0.02)


def test_relief_laid_on_the_mesh_is_read_where_the_surface_is(head: MorphableModel) -> None:
    frame, _ = frame_of(head, 96)
    ramp = np.where(frame.face, 0.01 * frame.places[..., 1], np.float32(np.nan)).astype(np.float32)
    surface = surface_of(head)
    face = np.flatnonzero((surface.kind == FACE) & (surface.rim[surface.triangles].min(axis=1) > 6))
    corners = surface.triangles[face].astype(np.int64)
    weights = np.full((len(face), 3), 1 / 3, np.float32)
    found = laid_on(ramp, coordinates_of(head, frame, "own"), corners, weights)
    np.testing.assert_allclose(found, 0.01 * head.mean.numpy()[corners][..., 1].mean(axis=1), atol=0.01)
    scalp = surface.triangles[surface.kind != FACE][:5].astype(np.int64)
    assert np.isnan(laid_on(ramp, coordinates_of(head, frame, "own"), scalp, weights[:5])).all()


def test_a_reference_in_image_space_is_moved_by_its_landmarks(head: MorphableModel) -> None:
    frame, _ = frame_of(head, 96)
    ramp = np.where(frame.face, 0.01 * frame.places[..., 1], np.float32(np.nan)).astype(np.float32)
    view = seen_from(ramp, frame, 0.0, 0.0, 128)
    there = np.isfinite(view.displacement)
    assert 0.2 < there.mean() < 0.7
    assert (np.diff(view.displacement[22:100, 64]) < 0).all()  # the ramp grows upwards, rows downwards
    onto = view.landmarks @ np.array([[0.0, 0.5], [-0.5, 0.0]]) + [60, 5]  # turned by 90° and half as large
    moved = aligned(view, onto, 96)
    inner = view.landmarks[np.isfinite(view.landmarks).all(axis=1)].mean(axis=0)
    x, y = np.rint(inner @ np.array([[0.0, 0.5], [-0.5, 0.0]]) + [60, 5]).astype(int)
    column, row = np.rint(inner).astype(int)
    assert moved[y, x] == pytest.approx(view.displacement[row, column], abs=0.03)
    assert np.isfinite(moved).sum() == pytest.approx(there.sum() / 4, rel=0.08)


def test_a_view_turns_with_the_head(head: MorphableModel) -> None:
    frame, _ = frame_of(head, 96)
    ramp = np.where(frame.face, frame.places[..., 0], np.float32(np.nan)).astype(np.float32)
    left, right = (seen_from(ramp, frame, yaw, 0.0, 96).displacement for yaw in (-40.0, 40.0))
    assert np.nanmean(left) > 5
    assert np.nanmean(right) == pytest.approx(-np.nanmean(left), rel=0.05)
