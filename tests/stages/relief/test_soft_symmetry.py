from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel
from wholeface.stages import FaceState, Tools
from wholeface.stages.relief.soft_symmetry import SoftSymmetry
from wholeface.stages.texture.uv.atlas import FACE, atlas_of, surface_of

SIZE = 96


def _truth(model: MorphableModel, values: np.ndarray) -> np.ndarray:
    """(S, S) per-vertex values in the atlas, NaN beside the face."""
    surface, atlas = surface_of(model), atlas_of(model, SIZE)
    face = surface.kind[atlas.triangle] == FACE
    image = np.full(SIZE * SIZE, np.nan)
    image[atlas.texel[face]] = np.einsum(
        "tk,tk->t", atlas.barycentric[face], values[surface.triangles[atlas.triangle[face]]]
    )
    return image.reshape(SIZE, SIZE)


def _inner(model: MorphableModel) -> np.ndarray:
    """(S, S) texels of the face more than 6 mm from its rim."""
    rim = _truth(model, surface_of(model).rim.astype(np.float64))
    return np.nan_to_num(rim) > 6


def _waves(model: MorphableModel) -> np.ndarray:
    """(V,) mm, not symmetric."""
    x, y = model.mean[:, 0].double().numpy(), model.mean[:, 1].double().numpy()
    return 0.3 * np.sin(x / 9) + 0.2 * np.cos(y / 12)


def _symmetric(model: MorphableModel) -> np.ndarray:
    x, y = model.mean[:, 0].double().numpy(), model.mean[:, 1].double().numpy()
    return 0.3 * np.cos(x / 9) + 0.2 * np.cos(y / 12)


def test_what_is_seen_is_what_comes_out(seen_face: Callable[..., FaceState], head: MorphableModel) -> None:
    done = SoftSymmetry(SIZE)([seen_face(_waves(head))], Tools(head))[0].relief
    assert done is not None
    observed = (done.provenance == Provenance.OBSERVED) & _inner(head)
    assert observed.sum() > 0.8 * _inner(head).sum()
    truth = _truth(head, _waves(head))
    error = np.abs(done.displacement - truth)[observed]
    assert np.quantile(error, 0.99) < 0.06  # a pixel is 2.1 mm: bilinear interpolation of waves of 57 mm
    assert np.corrcoef(done.displacement[observed], truth[observed])[0, 1] > 0.998


def test_the_far_side_is_the_near_sides_mirror_image(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    heights = _symmetric(head)
    done = SoftSymmetry(SIZE)([seen_face(heights, yaw=50)], Tools(head))[0].relief
    assert done is not None
    far = (done.provenance == Provenance.MIRRORED) & _inner(head)
    assert far.sum() > 300
    assert np.abs(done.displacement - _truth(head, heights))[far].max() < 0.05
    assert np.abs(done.displacement - _truth(head, heights))[far].mean() < 0.005
    seen = (done.provenance == Provenance.OBSERVED) & _inner(head)
    assert np.median(done.confidence[far]) == pytest.approx(0.5 * 0.8)
    assert np.median(done.confidence[seen]) == pytest.approx(0.8)


def test_symmetric_input_stays_symmetric(seen_face: Callable[..., FaceState], head: MorphableModel) -> None:
    hidden = np.zeros((128, 128), bool)
    hidden[70:, 30:60] = True
    done = SoftSymmetry(SIZE)([seen_face(_symmetric(head), hidden=hidden)], Tools(head))[0].relief
    assert done is not None
    mirrored = done.displacement[:, ::-1]  # the egg's atlas is its own mirror image
    inner = _inner(head) & _inner(head)[:, ::-1]
    assert (done.provenance[inner] == Provenance.MIRRORED).any()
    np.testing.assert_allclose(done.displacement[inner], mirrored[inner], atol=0.03)


def test_what_neither_half_shows_is_the_foundation(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    hidden = np.zeros((128, 128), bool)
    hidden[70:] = True
    done = SoftSymmetry(SIZE)([seen_face(_waves(head), hidden=hidden)], Tools(head))[0].relief
    assert done is not None
    nothing = done.provenance == Provenance.MODEL
    assert (nothing & _inner(head)).sum() > 300
    low = _truth(head, head.mean[:, 1].double().numpy()) < -40
    assert (done.displacement[low] == 0).all()
    assert (done.confidence[low] == 0).all()
    outside = np.ones(SIZE * SIZE, bool)
    outside[atlas_of(head, SIZE).texel] = False
    assert (done.provenance.ravel()[outside] == Provenance.NONE).all()


def test_gradients_of_the_mirror_image_continue_what_is_seen(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    """One half lies a millimetre higher than the other: no step where the hidden part begins."""
    x = head.mean[:, 0].double().numpy()
    heights = np.where(x > 0, 1.0, 0.0) * np.clip(np.abs(x) / 10, 0, 1)
    hidden = np.zeros((128, 128), bool)
    hidden[74:, 66:] = True  # of the raised half
    done = SoftSymmetry(SIZE)([seen_face(heights, hidden=hidden)], Tools(head))[0].relief
    assert done is not None
    far = (done.provenance == Provenance.MIRRORED) & _inner(head)
    raised = _truth(head, heights) > 0.9
    border = far & raised & np.roll((done.provenance == Provenance.OBSERVED) & raised, 1, axis=0)
    assert border.sum() > 5
    assert done.displacement[border].mean() > 0.6  # its mirror image lies at 0


@pytest.mark.parametrize("over", [False, True])
def test_which_comes_first_example_or_mirror_image(
    seen_face: Callable[..., FaceState], head: MorphableModel, over: bool
) -> None:
    hidden = np.zeros((128, 128), bool)
    hidden[50:80, 75:100] = True
    face = seen_face(_symmetric(head), hidden=hidden)
    assert face.bump is not None
    filled = face.bump.provenance == Provenance.MODEL
    bump = replace(
        face.bump,
        provenance=np.where(filled, np.uint8(Provenance.EXAMPLE), face.bump.provenance),
        displacement=np.where(filled, np.float32(2), face.bump.displacement),
    )
    done = SoftSymmetry(SIZE, over_examples=over)([face.with_(bump=bump)], Tools(head))[0].relief
    assert done is not None
    example = (done.provenance == Provenance.EXAMPLE).sum()
    height = done.displacement[done.provenance == Provenance.MIRRORED]
    assert example < 5 if over else example > 20
    assert len(height) > 20 if over else bool(done.displacement.max() > 1.5)
    assert np.abs(height).max() < 0.7
