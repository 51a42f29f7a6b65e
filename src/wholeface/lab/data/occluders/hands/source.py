"""Hands over faces: cut out of photos, or built from capsules, with the arm that they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit
from .....perceive import OccluderKind, ParsingClass
from ...compositing.compose import SceneLight, encode, scene_light
from ...compositing.layer import Layer, Split
from ...compositing.warp import similarity, warp_affine
from ...samples.sample import FaceSample
from ..drawing.noise import field, grain
from ..drawing.patterns import pattern
from ..placing.frame import FaceFrame, face_frame, subfolder
from ..placing.overlay import occluded_share, over
from .drawn import draw_hand
from .photos import HandCut, hand_files, load_hand
from .skin_tone import Tone, random_tone

__all__ = ["HandPlace", "HandSource"]


@dataclass(frozen=True)
class HandPlace:
    """Where a hand goes.

    Args:
        target: (2,) pixels.
        reach: which part of the hand goes there: 0 = the middle of the palm, 1 = the tip of the longest finger.
        arm: (2,) unit vector from the hand along the arm.
        radius: half breadth of the palm, pixels.
    """

    target: NDArray[np.float32]
    reach: float
    arm: NDArray[np.float32]
    radius: float


# name: weight, centre u, spread u, centre v, spread v, arm angle centre and spread in degrees (0 = from below,
# positive = from the side on which u is positive), reach low and high. u is mirrored at random.
_MODES = {
    "chin": (0.20, 0.15, 0.22, 0.98, 0.12, 10.0, 25.0, -0.3, 0.5),
    "mouth": (0.17, 0.05, 0.15, 0.68, 0.10, 25.0, 40.0, 0.0, 0.8),
    "cheek": (0.20, 0.45, 0.14, 0.50, 0.22, 15.0, 30.0, -0.2, 0.8),
    "half": (0.10, 0.30, 0.12, 0.25, 0.22, 40.0, 40.0, 0.0, 0.4),
    "eyes": (0.12, 0.20, 0.22, 0.05, 0.10, 55.0, 40.0, 0.1, 0.8),
    "forehead": (0.08, 0.25, 0.22, -0.40, 0.12, 70.0, 50.0, 0.0, 0.7),
    "tip": (0.08, 0.15, 0.25, 0.50, 0.30, 25.0, 50.0, 0.9, 1.0),
    "temple": (0.05, 0.62, 0.10, -0.05, 0.20, 10.0, 25.0, 0.3, 1.0),
}


class HandSource:
    """Hands with wrist, forearm or sleeve, in the person's skin colour, in another's, or in gloves.

    Args:
        root: the folder of source material (``occluders/hands``), or None: drawn hands only.
    """

    def __init__(self, root: Path | None = None) -> None:
        self._folder = subfolder(root, "hands")

    def names(self, split: Split) -> tuple[str, ...]:
        """All items of a split: photos by file name, drawn hands by pose."""
        return tuple(f"hand/{path.stem}" for path in self._files(split)) + tuple(
            f"hand/drawn_{pose}" for pose in _POSES[split]
        )

    def layer(self, sample: FaceSample, rng: np.random.Generator, split: Split) -> Layer | None:
        """One hand, sometimes two; see :class:`LayerSource`."""
        frame = face_frame(sample)
        light = scene_light(sample)
        for _ in range(3):
            side = 1.0 if rng.random() < 0.5 else -1.0
            mode = _pick(rng)
            tone = random_tone(light, rng)
            sleeve = _Sleeve.random(rng)
            place = _place(frame, rng, mode, side)
            made = self._hand(sample, rng, split, place, light, tone, sleeve)
            if made is None:
                continue
            rgba, name = made
            if rng.random() < 0.14:  # the other hand does about the same on the other side
                other = self._hand(sample, rng, split, _place(frame, rng, mode, -side), light, tone, sleeve)
                if other is not None:
                    rgba, name = over(rgba, other[0]), f"{name}+{other[1].removeprefix('hand/')}"
            if 0.02 < occluded_share(rgba, sample.face) < 0.9:
                return Layer(
                    rgba,
                    OccluderKind.HAND,
                    ParsingClass.OBJECT,
                    name,
                    shadow=float(rng.uniform(0.3, 0.9)),
                    height=frame.unit * float(rng.uniform(0.02, 0.09)),
                )
        return None

    def hold(
        self, sample: FaceSample, rng: np.random.Generator, split: Split, place: HandPlace
    ) -> Layer | None:
        """A hand at a given place, e.g. around the handle of a microphone."""
        light = scene_light(sample)
        made = self._hand(sample, rng, split, place, light, random_tone(light, rng), _Sleeve.random(rng))
        if made is None:
            return None
        return Layer(
            made[0], OccluderKind.HAND, ParsingClass.OBJECT, made[1], shadow=0.4, height=0.05 * place.radius
        )

    def _files(self, split: Split) -> tuple[Path, ...]:
        if self._folder is None:
            return ()
        train, held_out = hand_files(self._folder)
        return train if split == "train" else held_out

    def _hand(
        self,
        sample: FaceSample,
        rng: np.random.Generator,
        split: Split,
        place: HandPlace,
        light: SceneLight,
        tone: Tone,
        sleeve: _Sleeve,
    ) -> tuple[NDArray[np.uint8], str] | None:
        files = self._files(split)
        if files and rng.random() < 0.62:
            path = files[int(rng.integers(len(files)))]
            cut = load_hand(path)
            if cut is None:
                return None
            return _lay_photo(sample.size, rng, cut, place, tone, sleeve), f"hand/{path.stem}"
        poses = _POSES[split]
        pose = poses[int(rng.integers(len(poses)))]
        rgba, wrist = draw_hand(
            sample.size, rng, pose, place.target, place.reach, place.arm, place.radius, light, tone
        )
        _add_arm(rgba, rng, wrist, place.arm, None, tone, sleeve)
        return rgba, f"hand/drawn_{pose}"


_POSES: dict[Split, tuple[str, ...]] = {
    "train": ("open", "together", "fist", "point", "loose", "pinch", "v"),
    "held_out": ("claw", "horns"),
}


@dataclass(frozen=True)
class _Sleeve:
    """Cloth that begins some way behind the wrist (in wrist breadths), or never."""

    start: float
    wide: float
    tile: NDArray[np.uint8]

    @staticmethod
    def random(rng: np.random.Generator) -> _Sleeve:
        start = float(rng.uniform(0.1, 1.5)) if rng.random() < 0.65 else 1e6
        return _Sleeve(start, float(rng.uniform(1.1, 1.6)), pattern(rng))


def _pick(rng: np.random.Generator) -> str:
    names = list(_MODES)
    weights = np.array([_MODES[name][0] for name in names])
    return names[int(rng.choice(len(names), p=weights / weights.sum()))]


def _place(frame: FaceFrame, rng: np.random.Generator, mode: str, side: float) -> HandPlace:
    _, u, du, v, dv, angle, spread, low, high = _MODES[mode]
    target = frame.point(side * float(rng.normal(u, du)), float(rng.normal(v, dv)))
    turn = np.radians(side * float(rng.normal(angle, spread)))
    arm = np.float32(np.sin(turn)) * frame.right + np.float32(np.cos(turn)) * frame.down
    radius = frame.unit * float(np.clip(rng.normal(0.31, 0.05), 0.2, 0.45))
    return HandPlace(target, float(rng.uniform(low, high)), arm, radius)


def _lay_photo(
    size: int, rng: np.random.Generator, cut: HandCut, place: HandPlace, tone: Tone, sleeve: _Sleeve
) -> NDArray[np.uint8]:
    mirror = rng.random() < 0.5
    # The cut-out's arm points down; the hand itself may bend a little at the wrist.
    angle = float(np.arctan2(-place.arm[0], place.arm[1]))
    anchor = cut.palm + np.float32(place.reach) * (cut.tip - cut.palm)
    scale = min(place.radius / cut.radius, 3.2 * place.radius / 0.31 / max(cut.cutout.shape))
    matrix = similarity(
        (float(anchor[0]), float(anchor[1])),
        (float(place.target[0]), float(place.target[1])),
        scale,
        angle,
        mirror,
    )
    rgba = warp_affine(cut.cutout, matrix, size)
    table = _tone_table(cut, tone)
    noise = field(rng, size, size / 6.0, 2, 0.8) * np.float32(rng.uniform(0.004, 0.02))
    noise += grain(rng, size) * np.float32(rng.uniform(0.002, 0.015))
    grey = np.float32(tone.chroma)
    _tone(rgba, table, noise, _mean_code(tone), grey)
    wrist = (cut.wrist @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    if mirror:
        wrist = wrist[::-1].copy()
    level = cut.cutout.levels[0]
    row = level[-4, int(cut.wrist[0, 0]) : int(cut.wrist[1, 0]) + 1, :3]
    strip = np.zeros((1, len(row), 4), np.uint8)
    strip[0, :, :3] = row[:: -1 if mirror else 1]
    strip[0, :, 3] = 255
    _tone(strip, table, np.zeros((1, len(row)), np.float32), _mean_code(tone), grey)
    _add_arm(rgba, rng, wrist, place.arm, strip[0, :, :3].astype(np.float32), tone, sleeve)
    return rgba


def _tone_table(cut: HandCut, tone: Tone) -> NDArray[np.float32]:
    """(3, 256) new code of each code: the hand's mean moves to the tone's, its contrast with it."""
    code = np.arange(256, dtype=np.float32) / 255.0
    log = np.log(code**2.2 + 0.004)
    deviation = np.maximum(log[None] - cut.mean[:, None], -1.4)  # gaps between fingers are no blacker
    new = tone.contrast * deviation + np.log(tone.colour)[:, None]
    return encode(np.exp(np.minimum(new, 0.2)))


def _mean_code(tone: Tone) -> NDArray[np.float32]:
    return encode(tone.colour)


@njit(cache=True, nogil=True)
def _tone(rgba, table, noise, mean, chroma):  # type: ignore[no-untyped-def]
    """Recolour by tables, pull chroma towards the mean colour's, and roughen."""
    height, width = rgba.shape[0], rgba.shape[1]
    total = mean[0] + mean[1] + mean[2] + np.float32(1e-3)
    for y in range(height):
        for x in range(width):
            if rgba[y, x, 3] == 0:
                continue
            r = table[0, rgba[y, x, 0]]
            g = table[1, rgba[y, x, 1]]
            b = table[2, rgba[y, x, 2]]
            level = (r + g + b) / total
            rough = np.float32(1.0) + noise[y, x]
            r = (level * mean[0] * (1 - chroma) + r * chroma) * rough
            g = (level * mean[1] * (1 - chroma) + g * chroma) * rough
            b = (level * mean[2] * (1 - chroma) + b * chroma) * rough
            rgba[y, x, 0] = np.uint8(min(max(r, np.float32(0.0)), np.float32(255.0)))
            rgba[y, x, 1] = np.uint8(min(max(g, np.float32(0.0)), np.float32(255.0)))
            rgba[y, x, 2] = np.uint8(min(max(b, np.float32(0.0)), np.float32(255.0)))


def _add_arm(
    rgba: NDArray[np.uint8],
    rng: np.random.Generator,
    wrist: NDArray[np.float32],
    arm: NDArray[np.float32],
    profile: NDArray[np.float32] | None,
    tone: Tone,
    sleeve: _Sleeve,
) -> None:
    """Continue the hand behind the wrist: the cut's own colours drawn out along the arm, then a sleeve."""
    size = rgba.shape[0]
    if profile is None:
        across = np.linspace(-1, 1, 24, dtype=np.float32)
        profile = _mean_code(tone)[None] * np.sqrt(np.clip(1.05 - 0.7 * across * across, 0.1, 1.2))[:, None]
    else:  # the cut's outermost pixels are half wall
        profile = profile[1:-1] if len(profile) > 8 else profile
    turn = float(rng.normal(0.0, 0.12))
    cos, sin = np.cos(turn), np.sin(turn)
    direction = np.array([cos * arm[0] - sin * arm[1], sin * arm[0] + cos * arm[1]], np.float32)
    lengths = field(rng, size, 5.0, 2, stretch=1.0)
    _extrude(
        rgba,
        wrist.astype(np.float32),
        direction,
        np.ascontiguousarray(profile, np.float32),
        float(rng.uniform(0.05, 0.14)),
        float(sleeve.start),
        float(sleeve.wide),
        sleeve.tile,
        lengths,
    )


@njit(cache=True, nogil=True)
def _extrude(rgba, wrist, direction, profile, widen, start, wide, tile, noise):  # type: ignore[no-untyped-def]
    size = rgba.shape[0]
    mx = 0.5 * (wrist[0, 0] + wrist[1, 0])
    my = 0.5 * (wrist[0, 1] + wrist[1, 1])
    half = 0.5 * np.sqrt((wrist[1, 0] - wrist[0, 0]) ** 2 + (wrist[1, 1] - wrist[0, 1]) ** 2)
    half = max(half, 2.0)
    # across the arm, from the first end of the wrist to the second
    nx = -direction[1]
    ny = direction[0]
    if nx * (wrist[1, 0] - wrist[0, 0]) + ny * (wrist[1, 1] - wrist[0, 1]) < 0:
        nx = -nx
        ny = -ny
    n = profile.shape[0]
    edge = tile.shape[0]
    for y in range(size):
        for x in range(size):
            if rgba[y, x, 3] == 255:
                continue
            along = ((x - mx) * direction[0] + (y - my) * direction[1]) / half
            if along < -0.25:
                continue
            across = ((x - mx) * nx + (y - my) * ny) / half
            broad = 1.0 + widen * min(max(along, 0.0), 6.0)
            cuff = start + 0.12 * noise[y, x] * 0.3 + 0.1 * (1.0 - across * across)
            cloth = along > cuff
            if cloth:
                broad = broad * wide * (1.0 + 0.06 * noise[y, x])
            s = across / broad
            cover = min(max((1.0 - abs(s)) * broad * half + 0.5, 0.0), 1.0)
            if along < 0.0:
                cover = cover * (1.0 + along * 4.0)
            if cover <= 0.0:
                continue
            s = min(max(s, -1.0), 1.0)
            old = rgba[y, x, 3] / 255.0
            add = cover * (1.0 - old)
            total = old + add
            if total <= 0.003:
                continue
            at = (s * 0.5 + 0.5) * (n - 1)
            i = min(int(at), n - 2)
            f = at - i
            shade = 1.0
            if cloth:
                round_ = np.sqrt(max(1.0 - s * s, 0.0))
                shade = 0.35 + 0.65 * round_ + 0.08 * noise[y, x] - 0.1 * s
                if along - cuff < 0.12:
                    shade *= 0.7
                ty = int((along + 10.0) * half * 0.8) % edge
                tx = int((np.arcsin(s) + 2.0) * half * 0.8) % edge
            else:
                if along > cuff - 0.25:  # the cuff's shadow
                    shade = 0.75
                shade *= 1.0 + 0.025 * noise[y, x]
            for c in range(3):
                if cloth:
                    value = tile[ty, tx, c] * shade
                else:
                    value = (profile[i, c] * (1.0 - f) + profile[i + 1, c] * f) * shade
                value = min(max(value, 0.0), 255.0)
                rgba[y, x, c] = np.uint8((rgba[y, x, c] * old + value * add) / total + 0.49)
            rgba[y, x, 3] = np.uint8(255.0 * total + 0.49)
