"""Albedo stage: from portraits and avatars to the albedo statistics of the shipped face model."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....core.srgb import encode_srgb
from ....morphable.albedo import AlbedoModel
from ....morphable.model import MorphableModel
from .atlas import Atlas, build_atlas
from .compose import compose_albedo, crisp_detail
from .heldout import held_out_errors
from .interior import learn_eyes
from .outer import outer_pattern
from .ppca import complete, fit_ppca, posterior
from .skins.avatars import avatar_names, avatar_uv_map, read_avatar, refined_map, sample_avatar
from .skins.landmark_fit import fit_basis
from .skins.masks import face_map
from .skins.portraits import choose_portraits, make_unwrapper, unwrap_portraits
from .skins.subjects import Subjects, avatar_subjects, portrait_subjects, reference_pattern, to_grid
from .skins.tone import tone_prior
from .statistics import mirror_pairs, symmetric_modes

__all__ = ["learn_albedo"]

Array = NDArray[Any]
Detect = Callable[[Array], Array | None]
_LOG = logging.getLogger(__name__)
_COARSE, _FINE = 256, 512
_MODES, _IRIS_MODES, _LATENT = 80, 2, 40
_AVATAR_SHARE = 0.35
# Avatars whose heads the model is registered to: one of most groups, hair short or painted.
_REGISTERED = ("AIAN_F_1", "Asian_M_1", "Black_F_2", "Hispanic_F_1", "White_M_1")


def learn_albedo(
    model: MorphableModel, source: Path, seed: int = 0, *, detect: Detect | None = None, workers: int = 2
) -> tuple[AlbedoModel, dict[str, Any]]:
    """Learn albedo statistics in UV space.

    1. Portraits: landmark fit, unwrapping, light removed by robust spherical harmonics, everything but face
    masked. 2. Avatars: the model is registered to a few of them; their common UV layout carries all skins
    over. 3. Both: log albedo on the face, gaps filled by mirroring and by probabilistic PCA; principal
    components of
       subjects and their mirror images, avatars weighted up to a third.
    4. The rest of the head follows the face's tone smoothly; eyes and mouth are painted; fine structure is
    added
       to the mean.

    Args:
        model: geometry with UV, regions, mirror symmetry and ``landmarks_478``.
        source: folder with ``portraits`` and ``avatars``.
        seed: of the random start of probabilistic PCA and of the held-out split.
        detect: image (H, W, 3) uint8 -> (478, 2) landmarks or None; None takes the package's detector.
        workers: threads; the result does not depend on it.

    Returns:
        The albedo model in ``log`` space with 80 modes, of which the last 2 colour the irises, and a report
        (numbers for the model card).

    Raises:
        UsageError: the model lacks UV or the 478 landmarks.
        ModelFileError: source material is missing.
    """
    if model.uv is None or model.landmarks_478 is None:
        raise UsageError("the albedo stage needs a model with UV coordinates and the 478 landmarks")
    clock = [time.perf_counter()]
    report: dict[str, Any] = {"seed": seed}

    def lap(name: str) -> None:
        clock.append(time.perf_counter())
        _LOG.info("%s: %.1f s", name, clock[-1] - clock[-2])

    coarse, fine = build_atlas(model, _COARSE), build_atlas(model, _FINE)
    zone = _symmetric(coarse.regions["face"])
    fine_skin = _symmetric(fine.regions["skin"])
    basis = fit_basis(model, model.landmarks_478)
    face = face_map(model, coarse, zone)
    lap("atlas")

    entries, landmarks = choose_portraits(source / "portraits")
    unwrapper = make_unwrapper(basis, model.triangles.numpy(), coarse, zone)
    unwrapped = unwrap_portraits(source / "portraits", entries, landmarks, unwrapper, workers=workers)
    lap("unwrap portraits")

    names = avatar_names(source / "avatars")
    groups = [name.split("_")[0] for name in names]
    read = {name: read_avatar(source / "avatars", name) for name in names}
    chosen = [read[name] for name in _REGISTERED if name in read] or [read[names[0]]]
    coarse_skin = _symmetric(coarse.regions["skin"])
    where = avatar_uv_map(model, basis, coarse, coarse_skin, chosen, detect or _package_detector())
    where = refined_map(where, coarse_skin, fine_skin)
    lap("register avatars")
    skins = np.stack([sample_avatar(read[name], where, 2) for name in names]).astype(np.float32)
    lap("sample avatars")

    result, numbers = albedo_of_subjects(
        model, coarse, fine, zone, face, unwrapped, [bool(e["hair_over_face"]) for e in entries], skins,
        groups, learn_eyes(source / "avatars", names), seed,
    )  # fmt: skip
    lap("statistics")
    report |= {
        "portraits": {
            "used": len(entries),
            "hair_over_face": sum(bool(e["hair_over_face"]) for e in entries),
            "facial_hair": sum(bool(e["facial_hair"]) for e in entries),
            "landmark_error_of_face_height": round(float(np.mean(unwrapped.error_px)), 4),
        },
        "avatars": {"used": len(names), "groups": {g: groups.count(g) for g in sorted(set(groups))}},
        **numbers,
    }
    return result, report


def albedo_of_subjects(
    model: MorphableModel,
    coarse: Atlas,
    fine: Atlas,
    zone: NDArray[np.bool_],
    face: Any,
    unwrapped: Any,
    cautious: list[bool],
    skins: Array,
    groups: list[str],
    eyes: Any,
    seed: int,
) -> tuple[AlbedoModel, dict[str, Any]]:
    """Statistics from unwrapped portraits and avatar skins (N, T, 3), linear light over the fine skin."""
    fine_skin = _symmetric(fine.regions["skin"])
    on_coarse = _halved(skins, fine_skin)[:, zone]
    avatars = avatar_subjects(on_coarse, face)
    pattern = reference_pattern(avatars, zone)
    avatars = avatar_subjects(on_coarse, face, expected=pattern)
    avatar_pattern = reference_pattern(avatars, zone)
    prior = tone_prior(avatars.tone, groups)
    white = np.array([g == "White" for g in groups])
    centre = avatars.tone[white].mean(0) if white.any() else prior.mean
    some = slice(None, None, 4)
    first = portrait_subjects(unwrapped[some], face, avatar_pattern, prior, centre, cautious[some])
    pattern = reference_pattern(first, zone)
    portraits = portrait_subjects(unwrapped, face, pattern, prior, centre, cautious)
    pattern = reference_pattern(portraits, zone)
    # Avatars deviate from their own common pattern as subjects do from theirs.
    support = np.minimum(portraits.weight.mean(0) / 0.3, 1)[:, None]
    shift = support * (pattern - avatar_pattern)
    avatars = Subjects((avatars.log_albedo + shift).astype(np.float32), avatars.weight, avatars.tone)

    pairs = mirror_pairs(zone)
    samples = np.concatenate((portraits.log_albedo, avatars.log_albedo))
    weight = np.concatenate((portraits.weight, avatars.weight))
    samples, weight = _mirror_filled(samples, weight, pairs)
    count = np.array([len(portraits.tone), len(avatars.tone)])
    importance = np.concatenate(
        (np.ones(count[0]), _group_importance(groups) * count[0] * _AVATAR_SHARE / (1 - _AVATAR_SHARE))
    )
    area = coarse.area[zone]
    ppca, latents = _staged_ppca(samples, weight, importance, zone, seed)
    filled = complete(ppca, samples, weight, latents)
    modes = symmetric_modes(filled, importance, area, pairs, _MODES - _IRIS_MODES)
    core = face.core[zone]
    tone = np.median(modes.mean[core], axis=0)
    tone_of_modes = np.median(modes.basis[:, core], axis=1)
    outer = outer_pattern(model, fine, fine_skin, skins, avatars.tone)
    fine_zone = _symmetric(fine.regions["face"])
    inside = fine_zone[fine_skin]
    fine_log = np.log(np.maximum(skins[:, inside], 3e-3))
    fine_weight = np.stack([np.kron(to_grid(w, zone), np.ones((2, 2)))[fine_zone] for w in avatars.weight])
    detail = crisp_detail(fine_log, fine_weight, fine_zone, 2.0)
    albedo = compose_albedo(
        model, coarse, fine, zone, modes, tone_of_modes, outer, tone, detail, eyes, _MODES
    )
    tones = np.concatenate((portraits.tone, avatars.tone))
    report = {
        "modes": _MODES,
        "iris_modes": [_MODES - _IRIS_MODES, _MODES - 1],
        "variance_explained": round(float(modes.variance.sum() / modes.total), 4),
        "variance_of_first_modes": [round(float(v / modes.total), 4) for v in modes.variance[:10]],
        "antisymmetric_modes": int((modes.parity < 0).sum()),
        "avatar_share": _AVATAR_SHARE,
        "tone_srgb": {
            "mean": _srgb(tone),
            "darkest": _srgb(tones[tones.mean(1).argmin()]),
            "lightest": _srgb(tones[tones.mean(1).argmax()]),
            "portraits_median": _srgb(np.median(portraits.tone, axis=0)),
            **{
                f"avatars_{g}": _srgb(avatars.tone[np.array(groups) == g].mean(0))
                for g in sorted(set(groups))
            },
        },
        "held_out": held_out_errors(samples, weight, importance, count, area, pairs, seed),
    }
    return albedo, report


def _package_detector() -> Detect:
    from ....perceive import MediapipeDetector

    detector = MediapipeDetector()

    def detect(image: Array) -> Array | None:
        faces = detector.detect(image)
        return np.asarray(faces[0].points) if faces else None

    return detect


def _symmetric(texels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return texels & texels[:, ::-1]


def _halved(skins: Array, fine_skin: NDArray[np.bool_]) -> Array:
    """(N, s, s, 3) averages over 2 × 2 covered texels of the fine skin."""
    size = fine_skin.shape[0] // 2
    covered = fine_skin.reshape(size, 2, size, 2).sum((1, 3))
    out = np.zeros((len(skins), size, size, 3), dtype=np.float32)
    for n, skin in enumerate(skins):
        grid = to_grid(skin, fine_skin).reshape(size, 2, size, 2, 3).sum((1, 3))
        out[n] = grid / np.maximum(covered, 1)[..., None]
    return out


def _mirror_filled(samples: Array, weight: Array, pairs: Array) -> tuple[Array, Array]:
    """Texels seen worse than half as well as their mirror image are drawn towards it."""
    other = 0.6 * weight[:, pairs]
    take = np.where(weight < 0.5 * other, other / np.maximum(other + weight, 1e-6), 0)
    mixed = samples + take[..., None] * (samples[:, pairs] - samples)
    return mixed.astype(np.float32), np.maximum(weight, take * other).astype(np.float32)


def _group_importance(groups: list[str]) -> Array:
    """Every group of avatars counts the same; sums to 1."""
    share = np.array([1.0 / groups.count(g) for g in groups])
    result: Array = share / share.sum()
    return result


def _staged_ppca(
    samples: Array, weight: Array, importance: Array, zone: NDArray[np.bool_], seed: int
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
