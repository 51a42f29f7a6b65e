"""A network's colours in the hidden part of the texture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel
from wholeface.photo import Similarity, warp
from wholeface.stages import GeneratedFace
from wholeface.stages.texture import CompleteSettings, complete_texture

BOX = (170, 215, 60, 190)
CROP = Similarity(0.5, 0.2, 20.0, -20.0)
EXACT = CompleteSettings(refine_light=False, grain=0.0, mirror=False)


def _generated(scene: Any, *, error: float = 0.01) -> GeneratedFace:
    """The truth, as a perfect network would have it."""
    size = 200
    pixels = warp(scene.clean, CROP, (size, size), fill="edge")
    matte = warp(scene.mask, CROP, (size, size))
    return GeneratedFace(CROP, pixels, matte, matte, np.full_like(matte, error))


def _complete(scene: Any, generated: GeneratedFace | None) -> Any:
    return complete_texture(
        scene.model, scene.photo, scene.parameters, scene.camera, scene.mask, size=256, settings=EXACT,
        generated=generated,
    )  # fmt: skip


def _truth(scene: Any) -> Any:
    return complete_texture(
        scene.model, scene.clean, scene.parameters, scene.camera, None, size=256, settings=EXACT
    )


def test_hidden_texels_take_the_generated_colours(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, boxes=(BOX,), mole=True)
    truth, without, found = _truth(scene), _complete(scene, None), _complete(scene, _generated(scene))
    made = found.provenance == Provenance.GENERATED
    assert made.sum() > 500
    assert not (without.provenance == Provenance.GENERATED).any()
    errors = [np.abs(t.texture[made].astype(float) - truth.texture[made]).mean() for t in (without, found)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 4
    # What the photo shows stays what it was, as long as it is not at the occluder's edge.
    seen = (found.provenance == Provenance.OBSERVED) & (found.confidence > 0.9)
    assert np.abs(found.texture[seen].astype(int) - without.texture[seen]).max() <= 1


def test_a_generated_texel_is_trusted_less_than_a_seen_one(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=(BOX,))
    sure, unsure = (_complete(scene, _generated(scene, error=error)) for error in (0.01, 0.3))
    made = sure.provenance == Provenance.GENERATED
    assert 0.2 < sure.confidence[made].mean() < sure.confidence[sure.provenance == Provenance.OBSERVED].mean()
    assert unsure.confidence[made].mean() < 0.6 * sure.confidence[made].mean()


def test_what_the_network_replaced_is_not_taken_from_the_photo(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=(BOX,))
    generated = _generated(scene)  # it saw the occluder; the mask did not
    scene.mask[:] = 0
    found = _complete(scene, generated)
    truth = _truth(scene)
    made = found.provenance == Provenance.GENERATED
    assert made.sum() > 500
    assert np.abs(found.texture[made].astype(float) - truth.texture[made]).mean() < 6
