"""Hands built from capsules: any size, any light, poses that the photos lack."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .....core.jit import njit
from ...compositing.compose import SceneLight
from ..drawing.noise import field, grain
from ..drawing.relief import new_relief, raise_capsule, shade_relief
from .skin_tone import Tone

__all__ = ["draw_hand"]

# In palm lengths (wrist to middle knuckle): x towards the little finger, y towards the fingertips.
_KNUCKLES = np.array([[-0.29, 0.95], [-0.06, 1.0], [0.15, 0.95], [0.34, 0.82]])
_LENGTHS = np.array([[0.44, 0.27, 0.23], [0.5, 0.3, 0.24], [0.46, 0.29, 0.23], [0.36, 0.21, 0.2]])
_RADII = np.array([0.118, 0.12, 0.115, 0.1])
_FAN = np.radians([-9.0, -2.0, 6.0, 16.0])
_HALF_BREADTH = 0.44

# pose: flexion of index, middle, ring, little (low, high), spread, thumb angle outwards in degrees
_POSES: dict[str, tuple[tuple[tuple[float, float], ...], tuple[float, float], tuple[float, float]]] = {
    "open": (((0.0, 0.15),) * 4, (0.9, 1.5), (25, 60)),
    "together": (((0.0, 0.3),) * 4, (-0.2, 0.35), (0, 35)),
    "fist": (((0.85, 1.05),) * 4, (0.0, 0.4), (-25, 20)),
    "point": (((0.0, 0.12), (0.8, 1.0), (0.85, 1.0), (0.85, 1.0)), (0.2, 0.6), (-20, 25)),
    "loose": (((0.2, 0.5), (0.25, 0.6), (0.3, 0.65), (0.3, 0.7)), (0.2, 1.0), (0, 45)),
    "pinch": (((0.45, 0.6), (0.3, 0.6), (0.2, 0.6), (0.1, 0.6)), (0.3, 1.0), (5, 15)),
    "v": (((0.0, 0.1), (0.0, 0.1), (0.85, 1.0), (0.85, 1.0)), (1.0, 2.2), (-25, 0)),
    "claw": (((0.4, 0.62),) * 4, (0.8, 1.6), (20, 50)),
    "horns": (((0.0, 0.1), (0.85, 1.0), (0.85, 1.0), (0.0, 0.12)), (0.8, 1.4), (-25, 50)),
}


def draw_hand(
    size: int,
    rng: np.random.Generator,
    pose: str,
    target: NDArray[np.float32],
    reach: float,
    arm: NDArray[np.float32],
    radius: float,
    light: SceneLight,
    tone: Tone,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """A hand in a frame.

    Args:
        size: edge of the frame.
        rng: randomness of pose, proportions and surface.
        pose: ``open``, ``together``, ``fist``, ``point``, ``loose``, ``pinch``, ``v``, ``claw`` or ``horns``.
        target: (2,) where the hand goes, pixels.
        reach: which part of it goes there: 0 = middle of the palm, 1 = longest fingertip.
        arm: (2,) unit vector from the hand along the arm.
        radius: half breadth of the palm, pixels.
        light: of the photo.
        tone: colour of the skin or glove.

    Returns:
        (S, S, 4) uint8 straight RGBA, and the (2, 2) ends of the wrist in pixels.
    """
    length = radius / _HALF_BREADTH
    palm_side = (
        1.0 if rng.random() < 0.5 else -1.0
    )  # 1: the palm is seen, the fingers curl towards the viewer
    limbs = _skeleton(rng, pose, palm_side)
    up = -arm.astype(np.float64)
    across = np.array([-up[1], up[0]]) * (1.0 if rng.random() < 0.5 else -1.0)
    tips = np.array([limb[-1, :2] for limb in limbs[1:]])
    tip = tips[int(np.argmax(tips[:, 1]))]
    middle = np.array([0.0, 0.55])
    anchor = middle + reach * (tip - middle)
    basis = np.stack([across, up]) * length

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        out = points.copy()
        out[:, :2] = (points[:, :2] - anchor) @ basis + target
        out[:, 2:] *= length
        return out

    relief = new_relief(size)
    palm = place(_palm(palm_side))
    for start, end in palm.reshape(-1, 2, 4):
        raise_capsule(relief, tuple(start), tuple(end), 0.22 * length)
    placed = [place(limb) for limb in limbs]
    for limb in placed:
        for k in range(len(limb) - 1):
            raise_capsule(relief, tuple(limb[k]), tuple(limb[k + 1]), (0.1 if k == 0 else 0.04) * length)
    blotches = field(rng, size, size / max(0.35 * length, 3.0), 3, 0.6)
    bump = field(rng, size, size / max(0.07 * length, 2.5), 2, 0.7)
    bump *= np.float32(0.012 * length * rng.uniform(0.1, 0.45))
    albedo = _albedo(
        tone.colour / np.float32(0.78),
        blotches,
        grain(rng, size) * np.float32(0.012),
        np.float32(0.02 if tone.glove else 0.05),
    )
    _details(rng, placed, albedo, bump, length, palm_side, tone)
    rgba = np.zeros((size, size, 4), np.uint8)
    shade_relief(
        relief,
        albedo,
        light.direction,
        float(rng.uniform(0.4, 0.65)),
        float(rng.uniform(0.0, 0.12 if tone.glove else 0.05)),
        bump,
        float(rng.uniform(0.15, 0.4)),
        rgba,
    )
    wrist = place(np.array([[-0.29, -0.02, 0, 0], [0.29, -0.02, 0, 0]]))[:, :2]
    return rgba, wrist.astype(np.float32)


def _palm(side: float) -> NDArray[np.float64]:
    """(2·N, 4) pairs of x, y, z, radius."""
    pairs = [
        ((-0.12, 0.0, 0.0, 0.19), (-0.27, 0.9, 0.0, 0.15)),
        ((-0.04, 0.0, 0.0, 0.19), (-0.06, 0.93, 0.02, 0.155)),
        ((0.06, 0.0, 0.0, 0.19), (0.15, 0.9, 0.0, 0.15)),
        ((0.12, 0.0, 0.0, 0.18), (0.31, 0.78, -0.02, 0.13)),
    ]
    if side > 0:  # the balls of thumb and hand
        pairs += [
            ((-0.18, 0.15, 0.06, 0.16), (-0.28, 0.5, 0.05, 0.14)),
            ((0.17, 0.15, 0.04, 0.15), (0.27, 0.55, 0.03, 0.12)),
        ]
    return np.array(pairs, np.float64).reshape(-1, 4)


def _skeleton(rng: np.random.Generator, pose: str, side: float) -> list[NDArray[np.float64]]:
    """Thumb and four fingers, each (4, 4): x, y, z, radius of its joints."""
    flexions, (low, high), (thumb_low, thumb_high) = _POSES[pose]
    spread = float(rng.uniform(low, high))
    stout = float(rng.uniform(0.88, 1.15))
    long = float(rng.uniform(0.92, 1.1))
    common = float(rng.random())
    limbs = []
    thumb_angle = np.radians(rng.uniform(thumb_low, thumb_high))
    limbs.append(_thumb(rng, thumb_angle, side, stout))
    for k in range(4):
        a, b = flexions[k]
        flex = a + (b - a) * (0.7 * common + 0.3 * float(rng.random()))
        angle = _FAN[k] * spread + float(rng.normal(0.0, 0.03))
        direction = np.array([np.sin(angle), np.cos(angle)])
        point = np.array([*_KNUCKLES[k], 0.02])
        radius = _RADII[k] * stout
        joints = [[*point, radius]]
        pitch = 0.0
        for phalanx, (bend, taper) in enumerate(((1.35, 0.93), (1.7, 0.84), (0.9, 0.72))):
            pitch += flex * bend
            step = long * _LENGTHS[k, phalanx]
            point = point + step * np.array([*(direction * np.cos(pitch)), side * np.sin(pitch)])
            joints.append([*point, radius * taper])
        limbs.append(np.array(joints))
    return limbs


def _thumb(rng: np.random.Generator, angle: float, side: float, stout: float) -> NDArray[np.float64]:
    point = np.array([-0.24, 0.2, 0.05 * side])
    joints = [[*point, 0.16 * stout]]
    heading = -angle - 0.35
    for step, turn, radius in ((0.36, 0.0, 0.14), (0.33, 0.25, 0.12), (0.26, 0.25, 0.1)):
        heading += turn * float(rng.uniform(0.0, 1.2))
        rise = 0.12 * side if angle < 0 else 0.03 * side
        point = point + step * np.array([np.sin(heading), np.cos(heading), 0.0]) + np.array([0, 0, rise])
        joints.append([*point, radius * stout])
    return np.array(joints)


def _details(
    rng: np.random.Generator,
    limbs: list[NDArray[np.float64]],
    albedo: NDArray[np.float32],
    bump: NDArray[np.float32],
    length: float,
    side: float,
    tone: Tone,
) -> None:
    """Creases at the joints, pinker tips, nails."""
    nail = np.array([1.12, 1.1, 1.12], np.float32)
    painted = rng.random() < 0.12
    polish = (rng.uniform(0.02, 0.6, 3) * [1.0, 0.4, 0.4]).astype(np.float32)
    furrow = float(rng.uniform(0.002, 0.012)) * length
    for limb in limbs:
        for k in (1, 2):
            axis = limb[k + 1, :2] - limb[k - 1, :2]
            norm = float(np.hypot(*axis))
            if norm < 0.1 * length:
                continue
            axis /= norm
            _crease(bump, limb[k, 0], limb[k, 1], axis[0], axis[1], float(limb[k, 3]), furrow)
            if not tone.glove:
                _tint(
                    albedo,
                    limb[k, 0],
                    limb[k, 1],
                    axis[0],
                    axis[1],
                    1.2 * limb[k, 3],
                    limb[k, 3],
                    _RED,
                    False,
                )
        axis = limb[3, :2] - limb[2, :2]
        norm = float(np.hypot(*axis))
        if tone.glove or norm < 0.08 * length:
            continue
        axis /= norm
        radius = float(limb[3, 3])
        x, y = limb[3, :2]
        _tint(albedo, x, y, axis[0], axis[1], 1.6 * radius, 1.1 * radius, _RED, False)
        if side < 0 and limb[3, 2] > limb[2, 2] - 0.6 * norm:
            x, y = limb[3, :2] + 0.05 * radius * axis
            tip = (x, y, axis[0], axis[1], 0.82 * radius, 0.6 * radius)
            _tint(albedo, *tip, polish if painted else nail, painted)
            _rim(bump, *tip, 0.02 * length)


_RED = np.array([1.07, 0.95, 0.94], np.float32)


@njit(cache=True, nogil=True)
def _albedo(colour, blotches, grains, strength):  # type: ignore[no-untyped-def]
    size = blotches.shape[0]
    out = np.empty((size, size, 3), np.float32)
    for y in range(size):
        for x in range(size):
            b = strength * blotches[y, x]
            out[y, x, 0] = colour[0] * (1.0 + 0.6 * b + grains[y, x])
            out[y, x, 1] = colour[1] * (1.0 + 1.2 * b + grains[y, x])
            out[y, x, 2] = colour[2] * (1.0 + 1.2 * b + grains[y, x])
    return out


@njit(cache=True, nogil=True)
def _crease(bump, cx, cy, ux, uy, half, depth):  # type: ignore[no-untyped-def]
    """Two or three fine furrows across a finger."""
    size = bump.shape[0]
    reach = int(1.5 * half) + 2
    width = max(0.12 * half, 0.7)
    for y in range(max(0, int(cy) - reach), min(size, int(cy) + reach + 1)):
        for x in range(max(0, int(cx) - reach), min(size, int(cx) + reach + 1)):
            u = (x - cx) * ux + (y - cy) * uy
            v = (y - cy) * ux - (x - cx) * uy
            if abs(v) > half:
                continue
            for k in range(-1, 2):
                d = (u - k * 0.45 * half) / width
                bump[y, x] -= depth * np.exp(-d * d) * (1.0 if k == 0 else 0.5)


@njit(cache=True, nogil=True)
def _tint(albedo, cx, cy, ux, uy, long, short, colour, replace):  # type: ignore[no-untyped-def]
    size = albedo.shape[0]
    reach = int(long + short) + 2
    for y in range(max(0, int(cy) - reach), min(size, int(cy) + reach + 1)):
        for x in range(max(0, int(cx) - reach), min(size, int(cx) + reach + 1)):
            u = ((x - cx) * ux + (y - cy) * uy) / long
            v = ((y - cy) * ux - (x - cx) * uy) / short
            d = u * u + v * v
            w = min(max((1.0 - d) * (3.0 if replace else 1.0), 0.0), 1.0)
            if w <= 0.0:
                continue
            for c in range(3):
                goal = colour[c] if replace else albedo[y, x, c] * colour[c]
                albedo[y, x, c] += np.float32(w * (goal - albedo[y, x, c]))


@njit(cache=True, nogil=True)
def _rim(bump, cx, cy, ux, uy, long, short, depth):  # type: ignore[no-untyped-def]
    size = bump.shape[0]
    reach = int(long + short) + 2
    for y in range(max(0, int(cy) - reach), min(size, int(cy) + reach + 1)):
        for x in range(max(0, int(cx) - reach), min(size, int(cx) + reach + 1)):
            u = ((x - cx) * ux + (y - cy) * uy) / long
            v = ((y - cy) * ux - (x - cx) * uy) / short
            d = (u * u + v * v - 1.0) * 3.0
            bump[y, x] -= depth * np.exp(-d * d)
