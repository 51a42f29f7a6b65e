from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.morphable import MorphableModel, linear_to_srgb
from wholeface.render import rasterize, vertex_normals
from wholeface.stages.texture import MIRRORED, MODEL, NONE, OBSERVED, CompleteSettings, complete_texture
from wholeface.stages.texture.uv.atlas import Atlas, atlas_of, surface_of

SIZE = 256
EXACT = CompleteSettings(refine_light=False)
BOXES = ((150, 205, 110, 190),)


def _complete(scene: Any, settings: CompleteSettings = EXACT, **changes: Any) -> Any:
    arguments = {
        "photo": scene.photo,
        "parameters": scene.parameters,
        "camera": scene.camera,
        "occluder": scene.mask,
        **changes,
    }
    return complete_texture(scene.model, **arguments, size=SIZE, settings=settings)


def _texels(model: MorphableModel, values: np.ndarray) -> tuple[Atlas, np.ndarray]:
    """Per-vertex values (V, C) at the atlas' texels (T, C)."""
    atlas = atlas_of(model, SIZE)
    corners = model.triangles.numpy()[atlas.triangle]
    return atlas, np.einsum("tj,tjc->tc", atlas.barycentric, values[corners])


def _truth(scene: Any) -> np.ndarray:
    _, albedo = _texels(scene.model, scene.albedo)
    return 255 * linear_to_srgb(torch.from_numpy(albedo)).numpy()


def _errors(scene: Any, result: Any) -> np.ndarray:
    """(T,) largest error over the channels in sRGB levels at each texel."""
    atlas = atlas_of(scene.model, SIZE)
    found = result.texture.reshape(-1, 3)[atlas.texel].astype(float)
    return np.abs(found - _truth(scene)).max(axis=1)


def _geometry(scene: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosine, pixel position and distance behind the z-buffer of each texel, by the renderer's own means."""
    points = scene.points
    _, normals = _texels(scene.model, vertex_normals(points, scene.model.triangles).numpy())
    _, positions = _texels(scene.model, points.numpy())
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cosine = -(normals * positions).sum(1) / np.linalg.norm(positions, axis=1)
    pixels = scene.camera.project(torch.from_numpy(positions)).numpy()
    depth = rasterize(points, scene.model.triangles, scene.camera).depth[0].numpy()
    u, v = np.clip(np.round(pixels).astype(int), 0, depth.shape[0] - 1).T
    return cosine, pixels, -positions[:, 2] - depth[v, u]


def _codes(scene: Any, result: Any) -> np.ndarray:
    return result.provenance.ravel()[atlas_of(scene.model, SIZE).texel]


def _on_face(scene: Any) -> np.ndarray:
    """(T,) texels well inside the face region."""
    _, rim = _texels(scene.model, surface_of(scene.model).rim[:, None])
    return rim[:, 0] > 10


def test_observed_texels_are_the_true_albedo(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=20, mole=True)
    result = _complete(scene)
    observed = _codes(scene, result) == OBSERVED
    errors = _errors(scene, result)
    scores = result.confidence.ravel()[atlas_of(head, SIZE).texel]
    assert observed.mean() > 0.12
    assert np.median(errors[observed]) < 1.5
    assert np.quantile(errors[observed & (scores > 0.5)], 0.98) < 5.0
    assert result.observed_fraction > 0.6


def test_no_occluder_colour_reaches_the_texture(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=10, boxes=(*BOXES, (240, 300, 180, 260)))
    result = _complete(scene)
    red, green, blue = (result.texture[..., c].astype(int) for c in range(3))
    # Skin has red > green > blue; magenta has green = 0.
    assert (blue <= green).all()
    assert (red - green < 80).all()
    # Nor does the green background: there green > red.
    assert (red > green).all()


def test_a_mask_that_is_a_little_too_small_lets_nothing_through(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=BOXES)
    top, bottom, left, right = BOXES[0]
    tight = np.zeros_like(scene.mask)
    tight[top + 2 : bottom - 2, left + 2 : right - 2] = 1
    result = _complete(scene, occluder=tight)
    assert (result.texture[..., 2].astype(int) <= result.texture[..., 1] + 2).all()


def test_provenance_follows_visibility(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=25, boxes=BOXES)
    result = _complete(scene)
    codes, face = _codes(scene, result), _on_face(scene)
    cosine, pixels, behind = _geometry(scene)
    column, row = pixels.T
    top, bottom, left, right = BOXES[0]
    covered = (row > top - 1) & (row < bottom) & (column > left - 1) & (column < right)
    nearby = (row > top - 16) & (row < bottom + 15) & (column > left - 16) & (column < right + 15)
    clear = face & (cosine > 0.6) & (behind < 0.5) & ~nearby
    assert clear.sum() > 1000
    assert (codes[clear] == OBSERVED).all()
    assert not (codes[covered | (cosine < 0.1) | (behind > 6)] == OBSERVED).any()
    # The other side's texels whose mirror images are clear come from there.
    atlas = atlas_of(head, SIZE)
    seen = np.zeros(SIZE * SIZE, bool)
    seen[atlas.texel[clear]] = True
    mirrored = seen.reshape(SIZE, SIZE)[:, ::-1].ravel()[atlas.texel]  # the egg's atlas is symmetric in u
    hidden = face & (cosine < 0.1) & mirrored
    assert hidden.sum() > 100
    assert (codes[hidden] == MIRRORED).all()
    back = _texels(head, head.mean.numpy())[1][:, 2] < -20
    assert (codes[back] == MODEL).all()
    assert set(np.unique(result.provenance)) <= {NONE, OBSERVED, MIRRORED, MODEL}


def test_what_the_nose_hides_is_not_observed(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    nosy = replace(
        head,
        mean=head.mean + 26 * head.identity[3],
        triangles=head.triangles.clone(),
        uv=head.uv.clone(),
    )
    scene = scene_of(nosy, yaw=25)
    codes = _codes(scene, _complete(scene))
    cosine, _, behind = _geometry(scene)
    shadowed = (behind > 8) & (cosine > 0.15) & _on_face(scene)
    assert shadowed.sum() > 200
    assert not (codes[shadowed] == OBSERVED).any()


def test_mirrored_texels_are_the_true_albedo_of_a_symmetric_face(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, yaw=35)
    result = _complete(scene)
    mirrored = _codes(scene, result) == MIRRORED
    errors = _errors(scene, result)
    assert mirrored.sum() > 1000
    assert np.median(errors[mirrored]) < 2.0
    assert np.quantile(errors[mirrored], 0.95) < 7.0
    without = _complete(scene, replace(EXACT, mirror=False))
    assert not (without.provenance == MIRRORED).any()
    assert np.quantile(_errors(scene, without)[mirrored], 0.95) > np.quantile(errors[mirrored], 0.95)


@pytest.mark.parametrize("factor", [0.15, 1.9])
def test_spots_of_one_side_are_hardly_mirrored(
    factor: float, head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    """Gloss, a mole, a look into a nostril: mirrored, they would be on a side that never had them."""
    scene = scene_of(head, yaw=35)
    plain = _complete(scene)
    atlas, face = atlas_of(head, SIZE), _on_face(scene)
    mirrored = np.zeros(SIZE * SIZE, bool)
    mirrored[atlas.texel[face & (_codes(scene, plain) == MIRRORED)]] = True
    source = mirrored.reshape(SIZE, SIZE)[:, ::-1].ravel()[atlas.texel]  # the egg's atlas is symmetric in u
    _, pixels, _ = _geometry(scene)
    middle = np.median(pixels[source], axis=0)
    rows, columns = np.mgrid[: scene.photo.shape[0], : scene.photo.shape[1]]
    spot = np.hypot(columns - middle[0], rows - middle[1]) < 9
    photo = scene.photo.copy()
    linear = (photo[spot] / 255.0) ** 2.2
    photo[spot] = np.round(255 * np.clip(linear * factor, 0, 1) ** (1 / 2.2)).astype(np.uint8)
    spotted = _complete(scene, photo=photo)
    under = np.hypot(*(pixels - middle).T) < 5
    there = np.zeros(SIZE * SIZE, bool)
    there[atlas.texel[source & under]] = True
    copies = there.reshape(SIZE, SIZE)[:, ::-1].ravel() & mirrored

    def change(of: np.ndarray) -> float:
        before, after = (((r.texture.reshape(-1, 3)[of] / 255.0) ** 2.2).mean() for r in (plain, spotted))
        return float(np.log(after / before))

    assert there.sum() > 10
    assert copies.sum() > 10
    assert abs(change(there)) > 0.3  # where the photo shows it, it is
    assert abs(change(copies)) < 0.55 * abs(change(there))  # 0.9 where it is mirrored as it is


def test_hidden_texels_continue_the_tone_of_a_face_darker_than_the_model(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, boxes=((100, 260, 178, 182),))
    fitted = replace(scene.parameters, albedo=torch.tensor([2.5, -0.3, 0.4, 0.2]))  # e^0.4 times too bright
    result = _complete(scene, parameters=fitted, settings=replace(EXACT, grain=0.0))
    codes, errors, face = _codes(scene, result), _errors(scene, result), _on_face(scene)
    assert np.median(errors[(codes == MODEL) & face]) < 6
    assert np.median(errors[codes == MODEL]) < 12  # without the membrane: about 30
    assert np.median(errors[codes == OBSERVED]) < 1.5


def test_confidence_falls_with_the_viewing_angle_and_orders_the_sources(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, yaw=30)
    result = _complete(scene)
    codes, face = _codes(scene, result), _on_face(scene)
    cosine, _, behind = _geometry(scene)
    scores = result.confidence.ravel()[atlas_of(head, SIZE).texel]
    own = face & (codes == OBSERVED) & (behind < 0.5)
    bins = [scores[own & (cosine > low) & (cosine <= low + 0.05)] for low in np.arange(0.3, 0.7, 0.05)]
    means = [b.mean() for b in bins if len(b) > 10]
    assert len(means) >= 6
    assert (np.diff(means) > 0).all()
    assert scores[codes == OBSERVED].max() > scores[codes == MIRRORED].max() > 0.1
    assert scores[codes == MIRRORED].max() < 0.6 + 1e-6
    assert np.median(scores[codes == MODEL]) == pytest.approx(0.1, abs=1e-6)
    assert result.confidence[result.provenance == NONE].max(initial=0) == 0
    assert result.confidence.min() >= 0
    assert result.confidence.max() <= 1


def test_confidence_falls_with_the_photo_s_resolution(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    means = [_complete(scene_of(head, size=size)).confidence.mean() for size in (120, 240, 480)]
    assert means[0] < means[1] < means[2]


def test_coloured_light_is_divided_out(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=20, colour=(0.7, 0.35, 1.3), boxes=BOXES)
    result = _complete(scene)
    errors, codes = _errors(scene, result), _codes(scene, result)
    assert np.median(errors[codes == OBSERVED]) < 2.5
    assert np.median(errors[codes == MODEL]) < 12


def test_a_grey_photo_gives_a_grey_texture(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=20, grey=True)
    result = _complete(scene)
    assert result.monochrome
    assert (np.ptp(result.texture.astype(int), axis=2) == 0).all()
    colour = _complete(scene_of(head, yaw=20))
    assert not colour.monochrome


def test_refining_finds_a_light_that_the_fit_has_missed(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, lamp=(0.9, 0.2, 0.4))
    wrong = scene.parameters.light.clone()
    wrong[1:] = 0  # ambient only
    parameters = replace(scene.parameters, light=wrong)
    codes = _codes(scene, _complete(scene))
    kept, refined = (
        _errors(scene, _complete(scene, replace(EXACT, refine_light=refine), parameters=parameters))
        for refine in (False, True)
    )
    observed = codes == OBSERVED
    # The level is not observable, the distribution is: compare spreads.
    assert refined[observed].std() < 0.5 * kept[observed].std()


def test_everything_hidden_gives_the_fitted_albedo(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head)
    result = _complete(scene, occluder=np.ones_like(scene.mask), settings=replace(EXACT, grain=0.0))
    assert set(np.unique(_codes(scene, result))) == {MODEL}
    assert result.observed_fraction == 0
    atlas = atlas_of(head, SIZE)
    fitted = head.albedo.texture(scene.parameters.albedo, SIZE).reshape(3, -1).numpy().T[atlas.texel]
    expected = 255 * linear_to_srgb(torch.from_numpy(fitted)).numpy()
    assert np.abs(result.texture.reshape(-1, 3)[atlas.texel] - expected).max() < 0.8


def test_no_mask_is_an_empty_mask(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=15)
    empty, none = _complete(scene), _complete(scene, occluder=None)
    as_bool = _complete(scene, occluder=torch.zeros(scene.mask.shape, dtype=torch.bool))
    for other in (none, as_bool):
        np.testing.assert_array_equal(empty.texture, other.texture)
        np.testing.assert_array_equal(empty.confidence, other.confidence)


def test_the_result_is_the_same_every_time_and_on_any_number_of_threads(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, yaw=20, boxes=BOXES)
    before = torch.get_num_threads()
    try:
        results = []
        for threads in (1, 1, 3):
            torch.set_num_threads(threads)
            results.append(_complete(scene))
    finally:
        torch.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].texture, other.texture)
        np.testing.assert_array_equal(results[0].provenance, other.provenance)
        np.testing.assert_array_equal(results[0].confidence, other.confidence)


def test_a_photo_finer_than_the_texture_is_averaged(
    head: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(head, size=720)
    noise = np.random.default_rng(0).integers(-40, 41, scene.photo.shape[:2])[..., None]
    noisy = np.clip(scene.photo.astype(int) + noise, 0, 255).astype(np.uint8)
    codes = _codes(scene, _complete(scene))
    errors = _errors(scene, _complete(scene, photo=noisy))
    assert np.median(errors[codes == OBSERVED]) < 12  # one sample per texel: about 22


def test_tone_brings_the_photo_s_brightness_back(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, colour=(1.3, 1.0, 0.7))
    result = _complete(scene, replace(EXACT, tone=1.0))
    assert result.gain[0] > result.gain[1] > result.gain[2]
    atlas, codes = atlas_of(head, SIZE), _codes(scene, result)
    texture = result.texture.reshape(-1, 3)[atlas.texel][codes == OBSERVED].mean(0)
    covered = rasterize(scene.points, head.triangles, scene.camera).mask[0].numpy()
    np.testing.assert_allclose(texture, scene.photo[covered].mean(0), rtol=0.12)


def test_models_without_albedo_or_mirror_work(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head, yaw=20, boxes=BOXES)
    bare = replace(head, albedo=None, regions={"face": head.regions["face"]}, landmarks_68=None)
    result = complete_texture(
        bare, scene.photo, scene.parameters, scene.camera, scene.mask, size=SIZE, settings=EXACT
    )
    errors, codes = _errors(scene, result), _codes(scene, result)
    assert np.median(errors[codes == OBSERVED]) < 1.5
    bent = head.mean.clone()
    bent[head.mean[:, 0] > 5] *= 1.6
    lopsided = replace(head, mean=bent, mirror=None, triangles=head.triangles.clone(), uv=head.uv.clone())
    result = complete_texture(lopsided, scene.photo, scene.parameters, scene.camera, scene.mask, size=SIZE)
    assert not (result.provenance == MIRRORED).any()


def test_the_egg_with_eyes_keeps_them_from_the_model(
    small_model: MorphableModel, scene_of: Callable[..., Any]
) -> None:
    scene = scene_of(small_model)
    result = _complete(scene)
    kind = surface_of(small_model).kind[atlas_of(small_model, SIZE).triangle]
    assert (_codes(scene, result)[kind > 2] == MODEL).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"photo": np.zeros((360, 360), np.uint8)}, r"photo must be uint8 of shape \(H, W, 3\)"),
        ({"photo": np.zeros((360, 360, 3))}, "photo must be uint8"),
        ({"photo": np.zeros((300, 360, 3), np.uint8)}, "camera is for 360×360 pixels, the photo has 360×300"),
        ({"occluder": np.zeros((10, 10))}, "occluder mask has the shape"),
        ({"occluder": np.full((360, 360), 2.0)}, r"must lie in \[0, 1\]"),
        ({"occluder": np.full((360, 360), np.nan)}, r"must lie in \[0, 1\]"),
    ],
)
def test_wrong_inputs_are_named(
    head: MorphableModel, scene_of: Callable[..., Any], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        _complete(scene_of(head), **changes)


def test_wrong_parameters_are_named(head: MorphableModel, scene_of: Callable[..., Any]) -> None:
    scene = scene_of(head)
    aside = replace(scene.parameters, translation=torch.tensor([5000.0, 0.0, -900.0]))
    with pytest.raises(UsageError, match="lies outside the photo"):
        _complete(scene, parameters=aside)
    batch = replace(scene.parameters, rotation=torch.zeros(2, 3))
    with pytest.raises(UsageError, match="one face"):
        _complete(scene, parameters=batch)
    with pytest.raises(UsageError, match="between 16 and 8192"):
        complete_texture(head, scene.photo, scene.parameters, scene.camera, size=4)
