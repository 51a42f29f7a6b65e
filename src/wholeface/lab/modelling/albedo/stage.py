"""Albedo stage: from photographs and avatars to the albedo statistics of the shipped face model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.errors import UsageError
from ....morphable.albedo import AlbedoModel
from ....morphable.model import MorphableModel
from .atlas import build_atlas
from .explained import by_tone, explain, zone_statistics
from .grain import BAND_MM, learn_grain
from .interior import learn_eyes
from .learn import Ground, albedo_of_subjects, symmetric_texels
from .skins.avatars import avatar_names, avatar_uv_map, read_avatar, refined_map, sample_avatar
from .skins.landmark_fit import FitBasis, fit_basis
from .skins.masks import face_map
from .skins.photo_subjects import evenly_lit
from .skins.photos import Photo, SharpColours, choose_photos, unwrap_photos
from .skins.portraits import Unwrapped, make_unwrapper

__all__ = ["held_out_of", "learn_albedo"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
Detect = Callable[[Array], Array | None]
_LOG = logging.getLogger(__name__)
_COARSE, _FINE = 256, 512
# Avatars whose heads the model is registered to: one of most groups, hair short or painted.
_REGISTERED = ("AIAN_F_1", "Asian_M_1", "Black_F_2", "Hispanic_F_1", "White_M_1")


def learn_albedo(
    model: MorphableModel, source: Path, seed: int = 0, *, detect: Detect | None = None
) -> tuple[AlbedoModel, dict[str, Tensor], dict[str, Any]]:
    """Learn albedo statistics in UV space.

    1. Photographs: landmark fit, unwrapping at their own resolution, everything but face masked; light removed by
    robust spherical harmonics, gloss by its colour, cast shadow by its depth. 2. Avatars: the model is registered to
    a few of them; their common UV layout carries all skins over. 3. Both: log albedo on the face, gaps filled by
    mirroring and by probabilistic PCA; principal components of subjects and their mirror images, each tone of skin
    counting the same.
    4. The rest of the head follows the face's tone smoothly; eyes and mouth are painted; fine structure is added
    to the mean. 5. Sharp photographs say how rough skin is, band by band and place by place. 6. Every sixth
    labelled photograph of each tone was kept apart and tells how well the statistics explain people of that tone.

    Args:
        model: geometry with UV, regions, mirror symmetry and ``landmarks_478``.
        source: folder with ``faces_ai``, ``faces_stock``, ``portraits`` and ``avatars``.
        seed: of the random start of probabilistic PCA.
        detect: image (H, W, 3) uint8 -> (478, 2) landmarks or None; None takes mediapipe.

    Returns:
        The albedo model in ``log`` space with 80 modes, of which the last 2 colour the irises; the extras ``grain``
        (B, V), ``grain_mm`` (B,) and ``grain_skew`` (B,) of the face model; and a report for the model card.

    Raises:
        UsageError: the model lacks UV or the 478 landmarks.
        ModelFileError: source material is missing.
    """
    clock = [time.perf_counter()]

    def lap(name: str) -> None:
        clock.append(time.perf_counter())
        _LOG.info("%s: %.1f s", name, clock[-1] - clock[-2])

    ground, basis = _ground(model)
    detect = detect or _package_detector()
    photos = choose_photos(source, detect)
    lap("choose photographs")
    unwrapped, sharp = _unwrap(ground, basis, photos)
    lap("unwrap photographs")
    names = avatar_names(source / "avatars")
    groups = [name.split("_")[0] for name in names]
    read = {name: read_avatar(source / "avatars", name) for name in names}
    chosen = [read[name] for name in _REGISTERED if name in read] or [read[names[0]]]
    coarse_skin = symmetric_texels(ground.coarse.regions["skin"])
    where = avatar_uv_map(model, basis, ground.coarse, coarse_skin, chosen, detect)
    where = refined_map(where, coarse_skin, ground.fine_skin)
    skins = np.stack([sample_avatar(read[name], where, 2) for name in names]).astype(np.float32)
    lap("avatars")
    apart = np.array([p.held_out for p in photos])
    used = [p for p in photos if not p.held_out]
    result, numbers = albedo_of_subjects(
        ground, used, unwrapped[~apart], SharpColours(sharp.log_colour[~apart], sharp.weight[~apart]),
        skins, groups, learn_eyes(source / "avatars", names), seed,
    )  # fmt: skip
    lap("statistics")
    extras, roughness = _grain(ground, used, sharp, ~apart)
    lap("grain")
    tested = [p for p in photos if p.held_out]
    found = explain(
        *zone_statistics(result, ground.zone),
        unwrapped[apart],
        _visible_skin(ground, tested, unwrapped[apart]),
    )
    lap("held-out photographs")
    report = {
        "seed": seed,
        "photographs": _counts(used),
        "landmark_error_of_face_height": round(float(np.mean(unwrapped.error_px)), 4),
        "avatars": {"used": len(names), "groups": {g: groups.count(g) for g in sorted(set(groups))}},
        **numbers,
        "grain": roughness,
        "held_out": by_tone(found.delta_e, [p.tone for p in tested]),
    }
    return result, extras, report


def held_out_of(model: MorphableModel, source: Path) -> tuple[Unwrapped, list[int], Bools, Array]:
    """The held-out photographs: unwrapped, their tones, the zone, and (N, T) bool, their visible skin."""
    ground, basis = _ground(model)
    tested = [p for p in choose_photos(source, _package_detector()) if p.held_out]
    unwrapped, _ = _unwrap(ground, basis, tested)
    return unwrapped, [p.tone for p in tested], ground.zone, _visible_skin(ground, tested, unwrapped)


def _ground(model: MorphableModel) -> tuple[Ground, FitBasis]:
    if model.uv is None or model.landmarks_478 is None:
        raise UsageError("the albedo stage needs a model with UV coordinates and the 478 landmarks")
    coarse, fine = build_atlas(model, _COARSE), build_atlas(model, _FINE)
    zone = symmetric_texels(coarse.regions["face"])
    return Ground(model, coarse, fine, zone, face_map(model, coarse, zone)), fit_basis(
        model, model.landmarks_478
    )


def _unwrap(ground: Ground, basis: FitBasis, photos: Sequence[Photo]) -> tuple[Unwrapped, SharpColours]:
    from ....perceive import load_parser

    fine_zone = ground.fine_zone
    unwrapper = make_unwrapper(basis, ground.model.triangles.numpy(), ground.fine, fine_zone)
    return unwrap_photos(photos, unwrapper, fine_zone, ground.zone, load_parser())


def _grain(
    ground: Ground, used: Sequence[Photo], sharp: SharpColours, mine: Bools
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Roughness of skin from every third sharp photograph that is not held out."""
    some = np.flatnonzero(mine)[[p.source != "portraits" for p in used]][::3]
    grain = learn_grain(
        ground.model, ground.fine, ground.fine_zone, sharp.log_colour[some], sharp.weight[some]
    )
    face = ground.model.regions["face"].numpy()
    extras = {
        "grain": torch.from_numpy(grain.level),
        "grain_mm": torch.tensor(BAND_MM),
        "grain_skew": torch.from_numpy(grain.skew.astype(np.float32)),
    }
    report = {
        "photographs": len(some),
        "bands_mm": list(BAND_MM),
        "median_of_log_luminance": [round(float(v), 4) for v in np.median(grain.level[:, face], axis=1)],
        "spread_of_log_roughness": [round(float(v), 3) for v in grain.spread],
        "skewness": [round(float(v), 3) for v in grain.skew],
    }
    return extras, report


def _visible_skin(ground: Ground, photos: Sequence[Photo], unwrapped: Unwrapped) -> Array:
    """(N, T) bool: every ninth texel of bare skin, without brows, eyes, lips, beards, gloss and cast shadow.

    Gloss and shadow are told by colour and depth against skin of one colour, not by any statistics.
    """
    lattice = np.zeros_like(ground.zone)
    lattice[1::3, 1::3] = True
    face = ground.face
    core, plain, beard, some = (part[ground.zone] for part in (face.core, face.plain, face.beard, lattice))
    result = np.zeros(unwrapped.weight.shape, dtype=bool)
    for n, photo in enumerate(photos):
        bare = plain & ~(beard & photo.bearded)
        weight = unwrapped.weight[n]
        one = np.zeros((len(weight), 3))
        _, trust = evenly_lit(
            unwrapped.colour[n], unwrapped.normals[n], one, weight, core, bare, ground.zone, some
        )
        result[n] = bare & some & (weight > 0.5) & (trust > 0.5)
    return result


def _counts(photos: Sequence[Photo]) -> dict[str, Any]:
    """How many photographs of which source, tone and age."""
    labelled = [p for p in photos if p.tone]
    return {
        "sources": {s: sum(p.source == s for p in photos) for s in dict.fromkeys(p.source for p in photos)},
        "tones": {str(t): sum(p.tone == t for p in labelled) for t in range(1, 7)},
        "ages": {a: sum(p.age == a for p in labelled) for a in ("young", "middle", "old")},
        "bearded": sum(p.bearded for p in photos),
        "hair_over_face": sum(p.cautious for p in photos),
    }


def _package_detector() -> Detect:
    from ....perceive import MediapipeDetector

    detector = MediapipeDetector()

    def detect(image: Array) -> Array | None:
        faces = detector.detect(image)
        return np.asarray(faces[0].points) if faces else None

    return detect
