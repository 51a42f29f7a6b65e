"""Landmarks of faces in a photo, hidden ones included, by our own network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.short_repr import short_repr
from ..networks.backend import NetworkFunction
from ..photo import Similarity, warp
from .frames import DENSE_478, LANDMARK_MARGIN, face_box, face_frame, face_pose
from .landmark_mirror import IDENTITY_SIGNS, MIRROR_668
from .landmarks import FaceLandmarks

__all__ = ["LandmarkCalibration", "LandmarkNetwork", "NetworkLandmarks", "mean_of_mirrored", "split_raw"]

_SETTLED = (
    0.08  # a second refinement step is worth its time when the first one moved the frame by more than this
)
_FLOOR = 0.15  # photo pixels, no point is better than this


@dataclass(frozen=True)
class LandmarkCalibration:
    """What the network's errors look like on images that it was not trained on, in units of its own sigma.

    Args:
        own: (L, 2) standard deviation of what each point errs by itself, along x and y of the upright crop.
        modes: (Q, L, 2) directions in which the points err together, at one standard deviation.
    """

    own: NDArray[np.float64]
    modes: NDArray[np.float64]

    __repr__ = short_repr

    @staticmethod
    def plain(points: int) -> LandmarkCalibration:
        """The network's sigma taken at its word, all points independent."""
        return LandmarkCalibration(np.ones((points, 2)), np.zeros((0, points, 2)))


@dataclass(frozen=True)
class NetworkLandmarks:
    """Landmarks of one face in photo pixels.

    Args:
        points: (L, 2).
        sigma: (L,) of what each point errs by itself.
        modes: (Q, L, 2) of what they err together.
        total_sigma: (L,) as the network itself says.
        self_visible: (L,) in [0, 1], how surely the head itself does not hide the point.
        occluded: (L,) in [0, 1], how surely an occluder hides it.
        identity: (K,) coefficients of the shipped face model, or None where the network does not estimate them.
        identity_sigma: (K,) their standard deviations, or None.
    """

    points: NDArray[np.float64]
    sigma: NDArray[np.float64]
    modes: NDArray[np.float64]
    total_sigma: NDArray[np.float64]
    self_visible: NDArray[np.float64]
    occluded: NDArray[np.float64]
    identity: NDArray[np.float64] | None = None
    identity_sigma: NDArray[np.float64] | None = None

    __repr__ = short_repr

    def as_face(self, score: float, certainty: float = 1.0) -> FaceLandmarks:
        """The 668 points as evidence, their box around the 478.

        Args:
            score: how sure the detector is that this is a face.
            certainty: how sure it is, by what both networks say.
        """
        return FaceLandmarks(
            points=self.points,
            scheme="wholeface668",
            box=face_box(self.points[DENSE_478]),
            score=score,
            certainty=certainty,
            visibility=self.self_visible,
            sigma=self.sigma,
            occluded=self.occluded,
            modes=self.modes,
            identity=self.identity,
            identity_sigma=self.identity_sigma,
        )


class LandmarkNetwork:
    """Crops a face, runs the network, and takes a further refinement step where the crop was badly placed.

    Args:
        network: the trained network.
        size: edge of its input in pixels.
        calibration: of its errors.
        mirror: also look at the mirrored crop and average: about 6 % less error for a fifth more time. The network
            must give the 668 points.
        identity: coefficients of the identity that the network's last rows hold.

    Source: see :class:`wholeface.networks.LandmarkNet`.
    """

    def __init__(
        self,
        network: NetworkFunction,
        *,
        size: int = 128,
        calibration: LandmarkCalibration | None = None,
        mirror: bool = False,
        identity: int = 0,
    ) -> None:
        self._network = network
        self._identity = identity
        self.size = size
        self.calibration = calibration
        self.mirror = mirror

    def locate(self, pixels: NDArray[np.uint8], frame: Similarity, *, steps: int = 2) -> NetworkLandmarks:
        """Landmarks of the face that ``frame`` shows upright in the middle of its crop.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            frame: from photo to crop pixels; see :func:`frames.box_frame`.
            steps: at most this many refinement steps; the crop of each further one is placed by what the one
                before found.
        """
        for step in range(steps):
            raw, person = self._run(pixels, frame)
            points = raw[:, :2] * self.size + (self.size - 1) / 2
            centre, side, angle = face_pose(points[DENSE_478])
            wrong = max(
                float(np.abs(centre - (self.size - 1) / 2).max()) / self.size,
                abs(side * LANDMARK_MARGIN / self.size - 1) / 2,
                abs(angle) / 2,
            )
            if wrong < _SETTLED or step == steps - 1:
                break
            found = frame.inverse().apply(points)
            frame = face_frame(found[DENSE_478], self.size, LANDMARK_MARGIN)
        return self._in_photo(raw, points, frame, person)

    def glance(self, pixels: NDArray[np.uint8], frames: Sequence[Similarity]) -> list[NetworkLandmarks]:
        """What crops say, without their mirror images, in one run: a third of the time, to tell what is no face.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
            frames: as for :meth:`locate`, one a crop.
        """
        if not frames:
            return []
        raws = self._network(np.concatenate([self._image(pixels, frame) for frame in frames]))
        found = []
        for out, frame in zip(raws, frames):
            raw, person = split_raw(out, self._identity)
            points = raw[:, :2] * self.size + (self.size - 1) / 2
            found.append(self._in_photo(raw, points, frame, person))
        return found

    def _image(self, pixels: NDArray[np.uint8], frame: Similarity) -> NDArray[np.float32]:
        """(1, 3, size, size) in [0, 1]."""
        crop = warp(pixels, frame, (self.size, self.size), fill="edge")
        return crop.transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)

    def _run(
        self, pixels: NDArray[np.uint8], frame: Similarity
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(L, 5) what the network says of the points, and (2K,) of the person."""
        image = self._image(pixels, frame)
        if not self.mirror:
            return split_raw(self._network(image)[0], self._identity)
        return mean_of_mirrored(self._network(np.concatenate([image, image[..., ::-1]])), self._identity)

    def _in_photo(
        self,
        raw: NDArray[np.float32],
        points: NDArray[np.floating[Any]],
        frame: Similarity,
        person: NDArray[np.float32],
    ) -> NetworkLandmarks:
        calibration = self.calibration or LandmarkCalibration.plain(len(raw))
        back, k = frame.inverse(), self._identity
        total = np.exp(np.clip(raw[:, 2].astype(np.float64), -8, 8)) * back.scale
        own = total * np.sqrt((calibration.own**2).mean(axis=1))
        cos, sin = np.cos(back.rotation), np.sin(back.rotation)
        turn = np.array([[cos, sin], [-sin, cos]])  # row vectors
        return NetworkLandmarks(
            points=back.apply(points),
            sigma=np.hypot(own, _FLOOR),
            modes=calibration.modes * total[None, :, None] @ turn,
            total_sigma=np.hypot(total, _FLOOR),
            self_visible=_logistic(raw[:, 3]),
            occluded=_logistic(raw[:, 4]),
            identity=person[:k].astype(np.float64) if k else None,
            identity_sigma=np.exp(np.clip(person[k:].astype(np.float64), -4.0, 0.0)) if k else None,
        )


def split_raw(raw: NDArray[np.float32], identity: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(L + R, 5) of one image -> (L, 5) of the points and (2K,) of the person; see :class:`LandmarkNet`."""
    count = len(raw) - -(-2 * identity // 5)
    return raw[:count], raw[count:].ravel()[: 2 * identity]


def mean_of_mirrored(
    both: NDArray[np.float32], identity: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What a network says of a crop and of its mirror image, brought together.

    Args:
        both: (2, 668 + R, 5) raw, of the crop and of the mirrored crop.
        identity: K, coefficients of the identity that the last rows hold.

    Returns:
        (668, 5) of the points and (2K,) of the person, as for the crop.
    """
    raw, person = split_raw(both[0], identity)
    other, others_person = split_raw(both[1], identity)
    turned = other[MIRROR_668] * np.array([-1, 1, 1, 1, 1], np.float32)
    signs = np.concatenate([IDENTITY_SIGNS[:identity], np.ones(identity, np.float32)])
    points, both_persons = (raw + turned) / 2, (person + signs * others_person) / 2
    return np.asarray(points, np.float32), np.asarray(both_persons, np.float32)


def _logistic(x: NDArray[np.float32]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-np.clip(x.astype(np.float64), -30, 30)))
