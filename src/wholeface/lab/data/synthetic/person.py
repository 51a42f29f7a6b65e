"""Random faces: expression, pose, light, skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ....core.spherical_harmonics import C0, C1, C2, C20, C22

__all__ = [
    "Lamps",
    "random_expression",
    "random_lamps",
    "random_pose",
    "rotation_of",
]

Floats = NDArray[np.float32]
_COSINE = np.array((np.pi,) + (2 * np.pi / 3,) * 3 + (np.pi / 4,) * 5)


def rotation_of(yaw: float, pitch: float, roll: float) -> Floats:
    """(3, 3) R_z(roll) · R_y(yaw) · R_x(−pitch): roll in the image's plane, degrees."""
    a, b, c = np.deg2rad([yaw, pitch, roll])
    turn = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    nod = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    tilt = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return (tilt @ turn @ nod).astype(np.float32)


def random_pose(rng: np.random.Generator, turned: float = 0.0) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, mostly frontal, up to ±60, ±30 and ±40.

    Args:
        rng: randomness.
        turned: share of heads that are turned anywhere up to profiles instead: to ±90, ±45 and ±50.
    """
    if turned > 0.0 and rng.random() < turned:
        side = float(rng.choice((-1.0, 1.0)))
        nod, tilt = np.clip(rng.normal(0, 16), -45, 45), np.clip(rng.normal(0, 14), -50, 50)
        return side * float(rng.uniform(15, 90)), float(nod), float(tilt)
    yaw = rng.normal(0, 15) if rng.random() < 0.6 else rng.uniform(-60, 60)
    pitch = rng.normal(0, 8) if rng.random() < 0.7 else rng.uniform(-30, 30)
    roll = rng.normal(0, 6) if rng.random() < 0.75 else rng.uniform(-40, 40)
    return float(np.clip(yaw, -60, 60)), float(np.clip(pitch, -30, 30)), float(np.clip(roll, -40, 40))


def random_expression(names: tuple[str, ...], rng: np.random.Generator) -> Floats:
    """(E,) weights in [0, 1]: neutral, smiling, laughing, talking, shouting, grimacing, winking, looking around."""
    weights: dict[str, float] = {}
    lopsided = rng.uniform(0.1, 0.9) if rng.random() < 0.2 else 0.08

    def both(name: str, value: float) -> None:
        for side in ("_L", "_R"):
            weights[name + side] = max(weights.get(name + side, 0.0), value * rng.normal(1.0, lopsided))

    kind = rng.choice(
        ["neutral", "smile", "laugh", "talk", "shout", "frown", "pucker", "random"],
        p=[0.2, 0.22, 0.13, 0.15, 0.08, 0.07, 0.05, 0.1],
    )
    if kind == "smile":
        smile = rng.uniform(0.15, 1.0)
        both("mouthSmile", smile)
        both("cheekSquint", smile * rng.uniform(0.1, 0.7))
        both("eyeSquint", smile * rng.uniform(0.0, 0.6))
        both("mouthUpperUp", smile * rng.uniform(0.0, 0.4))
        both("mouthDimple", rng.uniform(0.0, 0.4))
    elif kind == "laugh":
        smile = rng.uniform(0.5, 1.0)
        both("mouthSmile", smile)
        both("cheekSquint", rng.uniform(0.3, 1.0))
        both("eyeSquint", rng.uniform(0.1, 0.9))
        both("mouthUpperUp", rng.uniform(0.2, 0.8))
        both("mouthLowerDown", rng.uniform(0.1, 0.8))
        weights["jawOpen"] = rng.uniform(0.05, 0.55)
    elif kind == "talk":
        weights["jawOpen"] = rng.uniform(0.03, 0.4)
        weights["mouthFunnel"] = max(0.0, rng.normal(0, 0.3))
        both("mouthLowerDown", max(0.0, rng.normal(0, 0.3)))
        both("mouthUpperUp", max(0.0, rng.normal(0, 0.25)))
        weights["mouthRollLower"] = max(0.0, rng.normal(0, 0.15))
        both("mouthStretch", max(0.0, rng.normal(0, 0.25)))
    elif kind == "shout":
        weights["jawOpen"] = rng.uniform(0.4, 1.0)
        both("mouthStretch", rng.uniform(0, 0.6))
        both("mouthLowerDown", rng.uniform(0, 0.6))
        both("eyeWide", rng.uniform(0, 0.8))
        both("browOuterUp", rng.uniform(0, 0.8))
    elif kind == "frown":
        both("mouthFrown", rng.uniform(0.2, 1.0))
        both("browDown", rng.uniform(0, 1.0))
        both("mouthPress", rng.uniform(0, 0.6))
        both("noseSneer", max(0.0, rng.normal(0, 0.4)))
        weights["mouthShrugLower"] = rng.uniform(0, 0.6)
    elif kind == "pucker":
        weights[str(rng.choice(["mouthPucker", "mouthFunnel"]))] = rng.uniform(0.3, 1.0)
        weights["jawOpen"] = max(0.0, rng.normal(0, 0.1))
    elif kind == "random":
        for _ in range(int(rng.integers(1, 6))):
            weights[names[int(rng.integers(len(names)))]] = rng.uniform(0, 0.9)
    if rng.random() < 0.3:
        both(str(rng.choice(["browDown", "browOuterUp"])), rng.uniform(0.1, 0.9))
    if rng.random() < 0.25:
        weights["browInnerUp_L"] = weights["browInnerUp_R"] = rng.uniform(0.1, 0.9)
    blink = rng.random()
    if blink < 0.06:
        both("eyeBlink", 1.0)
    elif blink < 0.16:
        both("eyeBlink", rng.uniform(0.2, 0.8))
    elif blink < 0.19:
        weights["eyeBlink_" + str(rng.choice(["L", "R"]))] = rng.uniform(0.6, 1.0)
    elif blink < 0.25:
        both("eyeWide", rng.uniform(0.2, 0.9))
    if rng.random() < 0.12:
        weights[str(rng.choice(["mouthLeft", "mouthRight", "jawLeft", "jawRight"]))] = rng.uniform(0.1, 0.7)
    if rng.random() < 0.6:
        sideways, vertical = rng.normal(0, 0.3), rng.normal(0, 0.22)
        left, right = ("Out", "In") if sideways > 0 else ("In", "Out")
        weights[f"eyeLook{left}_L"] = weights[f"eyeLook{right}_R"] = abs(sideways)
        for side in ("_L", "_R"):
            weights[("eyeLookUp" if vertical > 0 else "eyeLookDown") + side] = abs(vertical)
    return np.array([min(max(weights.get(name, 0.0), 0.0), 1.0) for name in names], np.float32)


@dataclass(frozen=True)
class Lamps:
    """Light of a scene: what comes from everywhere, and lamps.

    Args:
        ambient: (9, 3) spherical harmonics.
        directions: (L, 3) unit vectors towards the lamps, camera space.
        colours: (L, 3) shading where the normal points at the lamp.
        softness: exponent of the blur of their shadows, larger is sharper.
    """

    ambient: Floats
    directions: Floats
    colours: Floats
    softness: float

    def harmonics(self) -> Floats:
        """(1 + L, 9, 3): ambient light, then each lamp (:func:`wholeface.render.directional_light`)."""
        x, y, z = self.directions.astype(np.float64).T
        basis = np.stack(
            [
                np.full_like(x, C0),
                C1 * y,
                C1 * z,
                C1 * x,
                C2 * x * y,
                C2 * y * z,
                C20 * (3 * z * z - 1),
                C2 * x * z,
                C22 * (x * x - y * y),
            ],
            axis=1,
        )
        lamps = (basis * _COSINE)[:, :, None] * self.colours[:, None, :]
        return np.concatenate([self.ambient[None], lamps]).astype(np.float32)

    def scaled(self, factor: float) -> Lamps:
        """The same light, brighter."""
        return Lamps(
            np.float32(factor) * self.ambient,
            self.directions,
            np.float32(factor) * self.colours,
            self.softness,
        )


def random_lamps(rng: np.random.Generator) -> Lamps:
    """Daylight, rooms, flash, a single hard lamp, sometimes strong colours."""
    tint = 1 + rng.normal(0, 0.1, 3)
    ambient = np.zeros((9, 3))
    ambient[0] = rng.uniform(0.2, 1.0) * tint / C0
    # Sky and ground differ, left and right sometimes
    ambient[1] += ambient[0] * rng.normal(0.2, 0.2) * 0.5
    ambient[3] += ambient[0] * rng.normal(0, 0.2) * 0.5
    ambient[4:] += ambient[0] * rng.normal(0, 0.06, (5, 1))
    count = int(rng.choice([0, 1, 2, 3], p=[0.1, 0.45, 0.3, 0.15]))
    directions, colours = np.zeros((count, 3)), np.zeros((count, 3))
    for k in range(count):
        behind = rng.random() < 0.12
        direction = np.array([rng.normal(0, 0.8), rng.normal(0.5, 0.55), rng.uniform(0.2, 1.0)])
        if behind:
            direction = np.array([rng.choice([-1, 1]) * rng.uniform(0.5, 1), rng.normal(0.4, 0.4), -0.6])
        directions[k] = direction / np.linalg.norm(direction)
        chroma = rng.normal(0, 0.1, 3)
        if rng.random() < 0.08:
            chroma = rng.normal(0, 0.45, 3)
        colours[k] = np.exp(rng.uniform(np.log(0.1), np.log(1.6))) * np.clip(1 + chroma, 0.05, 2.0)
    if rng.random() < 0.06:
        ambient *= np.clip(1 + rng.normal(0, 0.35, 3), 0.15, 2.0)
    return Lamps(
        ambient.astype(np.float32),
        directions.astype(np.float32),
        colours.astype(np.float32),
        float(np.exp(rng.uniform(np.log(8), np.log(60)))),
    )
