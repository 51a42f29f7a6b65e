"""Statistics from what photographs and avatars say of skin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from ....core.srgb import encode_srgb
from ....morphable.albedo import AlbedoModel
from ....morphable.model import MorphableModel
from .atlas import Atlas, halved, to_grid
from .compose import compose_albedo, crisp_detail
from .interior import Eyes
from .outer import outer_pattern
from .ppca import complete, fit_ppca, posterior
from .skins.masks import FaceMap
from .skins.photo_subjects import photo_subjects
from .skins.photos import Photo, SharpColours
from .skins.portraits import Unwrapped
from .skins.subjects import Subjects, avatar_subjects, reference_pattern
from .skins.tone import ToneAnchors, label_of_tone, tone_prior
from .statistics import Modes, mirror_pairs, symmetric_modes

__all__ = ["Ground", "albedo_of_subjects", "symmetric_texels"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
MODES, IRIS_MODES = 80, 2
_LATENT = 40
_RIM_MM, _RIM_SMOOTH_MM = 45.0, 8.0
_SMOOTH_TEXELS, _LOCAL_TEXELS, _BEYOND_CHANCE = 1.5, 4.0, 1.5
# How much a subject of each source says about skin of its tone, before every tone is given the same weight.
_SAY = {"faces_ai": 1.0, "faces_stock": 1.0, "portraits": 0.3, "avatars": 0.6}


@dataclass(frozen=True)
class Ground:
    """What the statistics are laid out on.

    Args:
        model: the geometry.
        coarse: atlas of the modes.
        fine: atlas of the mean, twice the size.
        zone: texels of the face on the coarse atlas.
        face: map of the zone.
    """

    model: MorphableModel
    coarse: Atlas
    fine: Atlas
    zone: Bools
    face: FaceMap

    @property
    def fine_zone(self) -> Bools:
        """Texels of the face on the fine atlas."""
        return symmetric_texels(self.fine.regions["face"])

    @property
    def fine_skin(self) -> Bools:
        """Texels of all skin on the fine atlas."""
        return symmetric_texels(self.fine.regions["skin"])


def symmetric_texels(texels: Bools) -> Bools:
    """(S, S) those whose mirror image is among them, too."""
    return texels & texels[:, ::-1]


def albedo_of_subjects(
    ground: Ground,
    photos: Sequence[Photo],
    unwrapped: Unwrapped,
    sharp: SharpColours,
    skins: Array,
    groups: list[str],
    eyes: Eyes,
    seed: int,
) -> tuple[AlbedoModel, dict[str, Any]]:
    """Statistics from photographs and avatar skins.

    Args:
        ground: to lay them out on.
        photos: N of them, none held out.
        unwrapped: their colours on the zone.
        sharp: their colours on the fine zone.
        skins: (M, T, 3) avatars, linear light over the fine skin.
        groups: M names of ethnic groups.
        eyes: painted eyes.
        seed: of the random start of probabilistic PCA.
    """
    zone, face = ground.zone, ground.face
    subjects, avatars = _subjects(ground, photos, unwrapped, skins, groups)
    pairs = mirror_pairs(zone)
    samples = np.concatenate((subjects.log_albedo, avatars.log_albedo))
    weight = np.concatenate((subjects.weight, avatars.weight))
    samples, weight = _mirror_filled(samples, weight, pairs)
    tones = np.concatenate((subjects.tone, avatars.tone))
    sources = [p.source for p in photos] + ["avatars"] * len(groups)
    labels = np.array([p.tone for p in photos] + [0] * len(groups))
    labels = np.where(labels > 0, labels, label_of_tone(tones))
    importance = _balanced(labels, sources)
    # Gaps are filled in what is left beside the person's tone, so that what is filled has that tone.
    relative = samples - tones[:, None].astype(np.float32)
    ppca, latents = _staged_ppca(relative, weight, importance, zone, seed)
    filled = complete(ppca, relative, weight, latents) + tones[:, None].astype(np.float32)
    modes = _modes(filled, importance, ground.coarse.area[zone], pairs, zone)
    core = face.core[zone]
    tone = np.median(modes.mean[core], axis=0)
    tone_of_modes = np.median(modes.basis[:, core], axis=1)
    outer = outer_pattern(ground.model, ground.fine, ground.fine_skin, skins, avatars.tone)
    detail = _detail(ground, sharp, [p.source for p in photos], subjects.weight)
    albedo = compose_albedo(
        ground.model, ground.coarse, ground.fine, zone, modes, tone_of_modes, outer, tone, detail, eyes, MODES
    )
    share = importance / importance.sum()
    report = {
        "modes": MODES,
        "iris_modes": [MODES - IRIS_MODES, MODES - 1],
        "variance_explained": round(float(modes.variance.sum() / modes.total), 4),
        "variance_of_first_modes": [round(float(v / modes.total), 4) for v in modes.variance[:10]],
        "antisymmetric_modes": int((modes.parity < 0).sum()),
        "share_of_source": {
            s: round(float(share[np.array(sources) == s].sum()), 3) for s in dict.fromkeys(sources)
        },
        "subjects_of_tone": {str(t): int((np.maximum(labels, 2) == t).sum()) for t in range(2, 7)},
        "tone_srgb": {
            "mean": _srgb(tone),
            **{f"label_{t}": _srgb(tones[labels == t].mean(0)) for t in np.unique(labels)},
            **{
                f"avatars_{g}": _srgb(avatars.tone[np.array(groups) == g].mean(0))
                for g in sorted(set(groups))
            },
        },
    }
    return albedo, report


def _subjects(
    ground: Ground, photos: Sequence[Photo], unwrapped: Unwrapped, skins: Array, groups: list[str]
) -> tuple[Subjects, Subjects]:
    """Photographs and avatars, both as deviations from the photographs' common pattern."""
    zone, face = ground.zone, ground.face
    on_coarse = np.stack([halved(skin, ground.fine_skin, zone) for skin in skins]).astype(np.float32)
    pattern = reference_pattern(avatar_subjects(on_coarse, face), zone)
    avatars = avatar_subjects(on_coarse, face, expected=pattern)
    avatar_pattern = reference_pattern(avatars, zone)
    white = np.array([g == "White" for g in groups])
    prior = tone_prior(avatars.tone, groups)
    anchors = ToneAnchors(prior, avatars.tone[white].mean(0) if white.any() else prior.mean)
    tones = np.array([p.tone for p in photos])

    def cleaned(some: Array, expected: Array) -> Subjects:
        chosen = [p for p, use in zip(photos, some) if use]
        return photo_subjects(
            unwrapped[some], face, expected, anchors, tones[some],
            [p.cautious for p in chosen], [p.bearded for p in chosen],
        )  # fmt: skip

    # The common pattern comes from every second sharp face, then from all of these.
    labelled = tones > 0
    half = labelled & (np.cumsum(labelled) % 2 == 0)
    first = cleaned(half if half.sum() > 1 else np.ones(len(photos), dtype=bool), avatar_pattern)
    subjects = cleaned(np.ones(len(photos), dtype=bool), reference_pattern(first, zone))
    pattern = reference_pattern(subjects, zone)
    rim = _light_at_the_rim(pattern - avatar_pattern, ground)
    subjects = Subjects((subjects.log_albedo - rim).astype(np.float32), subjects.weight, subjects.tone)
    pattern = pattern - rim
    # Avatars deviate from their own common pattern as subjects do from theirs.
    support = np.minimum(subjects.weight.mean(0) / 0.3, 1)[:, None]
    moved = avatars.log_albedo + support * (pattern - avatar_pattern)
    return subjects, Subjects(moved.astype(np.float32), avatars.weight, avatars.tone)


def _modes(filled: Array, importance: Array, area: Array, pairs: Array, zone: Bools) -> Modes:
    """Modes of the smooth part of skin, each with that fine structure which goes with it.

    Wrinkles, stubble and the edges of brows that come with age, beards or brows stay; what is one person's own (it
    would be drawn over everybody as blotches) does not: fine structure is shrunk towards 0 by how far it rises above
    what chance alone leaves in a regression on so many subjects.
    """
    low = np.stack([_smoothed(sample, zone, _SMOOTH_TEXELS) for sample in filled])
    fine = filled - low
    modes = symmetric_modes(low, importance, area, pairs, MODES - IRIS_MODES, fine)
    assert modes.fine is not None
    share = importance / importance.sum()
    mean = np.tensordot(share, fine, 1)
    chance = _smoothed(np.tensordot(share**2, (fine - mean) ** 2, 1).mean(1), zone, _LOCAL_TEXELS)
    kept = np.zeros_like(modes.basis)
    for k, along in enumerate(modes.fine):
        energy = _smoothed((along**2).mean(1), zone, _LOCAL_TEXELS)
        kept[k] = along * np.clip(1 - _BEYOND_CHANCE * chance / np.maximum(energy, 1e-9), 0, 1)[:, None]
    mean = 0.5 * (mean + mean[pairs])
    basis = (modes.basis + kept).astype(np.float32)
    return replace(modes, mean=(modes.mean + mean).astype(np.float32), basis=basis)


def _smoothed(values: Array, zone: Bools, sigma: float) -> Array:
    """(T, ...) Gaussian mean over the zone."""
    grid = to_grid(values, zone)
    norm = np.maximum(ndimage.gaussian_filter(zone.astype(np.float32), sigma), 1e-3)
    spread = (sigma, sigma, *[0.0] * (values.ndim - 1))
    soft = ndimage.gaussian_filter(grid, spread)[zone]
    result: Array = soft / norm[zone].reshape(-1, *[1] * (values.ndim - 1))
    return result


def _light_at_the_rim(difference: Array, ground: Ground) -> Array:
    """(T, 3) the smooth part, towards the rim of the face, of how photographs differ from avatars.

    Towards forehead and temples light of second order never fits all photographs, and hair casts its shadow there.
    """
    zone = ground.zone
    texel_mm = float(np.sqrt(np.median(ground.coarse.area[zone])))
    beyond = ~ndimage.binary_closing(ndimage.binary_fill_holes(zone), iterations=3)
    inside = np.clip(ndimage.distance_transform_edt(~beyond) * texel_mm / _RIM_MM, 0, 1)
    inside = inside * inside * (3 - 2 * inside)
    result: Array = _smoothed(difference, zone, _RIM_SMOOTH_MM / texel_mm) * (1 - inside)[zone][:, None]
    return result


def _detail(ground: Ground, sharp: SharpColours, sources: list[str], weight: Array) -> Array:
    """(S, S, 3) fine structure that sharp faces share."""
    zone, fine_zone = ground.zone, ground.fine_zone
    chosen = np.array([s != "portraits" for s in sources])
    doubled = np.stack([np.kron(to_grid(w, zone), np.ones((2, 2)))[fine_zone] for w in weight[chosen]])
    return crisp_detail(
        sharp.log_colour[chosen].astype(np.float32),
        np.minimum(doubled, sharp.weight[chosen].astype(np.float32)),
        fine_zone,
        2.0,
    )


def _balanced(labels: Array, sources: list[str]) -> Array:
    """(N,) importance: every tone counts the same (labels 1 and 2 together), within a tone each source by its say."""
    say = np.array([_SAY[s] for s in sources])
    merged = np.maximum(labels, 2)
    importance = np.zeros(len(say))
    for tone in np.unique(merged):
        mine = merged == tone
        importance[mine] = say[mine] / say[mine].sum()
    result: Array = importance * len(say) / importance.sum()
    return result


def _mirror_filled(samples: Array, weight: Array, pairs: Array) -> tuple[Array, Array]:
    """Texels seen worse than half as well as their mirror image are drawn towards it."""
    other = 0.6 * weight[:, pairs]
    take = np.where(weight < 0.5 * other, other / np.maximum(other + weight, 1e-6), 0)
    mixed = samples + take[..., None] * (samples[:, pairs] - samples)
    return mixed.astype(np.float32), np.maximum(weight, take * other).astype(np.float32)


def _staged_ppca(
    samples: Array, weight: Array, importance: Array, zone: Bools, seed: int
) -> tuple[Any, Array]:
    """EM on every ninth texel, then two rounds on all."""
    rows, columns = np.nonzero(zone)
    lattice = (rows % 3 == 1) & (columns % 3 == 1)
    sparse_fit = fit_ppca(
        samples[:, lattice], weight[:, lattice], _LATENT, importance=importance, iterations=10, seed=seed
    )
    latents, _ = posterior(sparse_fit, samples[:, lattice], weight[:, lattice])
    full = fit_ppca(samples, weight, _LATENT, importance=importance, iterations=0, seed=seed, start=latents)
    return full, latents


def _srgb(log_tone: Array) -> list[int]:
    return [round(float(v)) for v in encode_srgb(np.exp(log_tone)) * 255]
