"""Face landmarks as evidence: points with their own account of how reliable they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.short_repr import short_repr

__all__ = ["LANDMARK_COUNTS", "FaceLandmarks", "LandmarkDetector", "LandmarkScheme"]

LandmarkScheme = Literal["mediapipe478", "ibug68", "wholeface668"]
LANDMARK_COUNTS: dict[str, int] = {"mediapipe478": 478, "ibug68": 68, "wholeface668": 668}


@dataclass(frozen=True)
class FaceLandmarks:
    """Landmarks of one face in one photo.

    Convention: pixel (0, 0) is the centre of the top-left pixel; x to the right, y down.

    Args:
        points: (L, 2) float64, photo pixels.
        scheme: which L points these are, and in which order.
        box: (4,) float64, x0, y0, x1, y1 around the points, photo pixels.
        score: how sure the detector is that this is a face, in [0, 1].
        visibility: (L,) in [0, 1]: 1 = the point's surface faces the camera, 0 = it faces away or is shut.
            Occluders are not considered; see ``sigma``.
        sigma: (L,) standard deviation of the points in photo pixels, as the detector itself sees it.
        depth: (L,) in units of photo pixels, larger = nearer to the camera, relative to the face's centre,
            or None when the detector gives none.
        occluded: (L,) in [0, 1], how surely an occluder hides the point, or None when the
            detector cannot tell.
        modes: (Q, L, 2) photo pixels, directions in which the points err together, at one standard deviation;
            ``sigma`` then holds only what each point errs by itself. None when not known.
        identity: (K,) coefficients of the shipped face model's identity as the detector sees the person, or None.
        identity_sigma: (K,) their standard deviations; 1 is that of all subjects. None where ``identity`` is.
        certainty: how sure it is that this is a face that is seen well enough, in [0, 1]; see
            :class:`wholeface.perceive.certainty.CertaintyModel`.

    Raises:
        UsageError: an array has the wrong shape or a value that is not finite.
    """

    points: NDArray[np.float64]
    scheme: LandmarkScheme
    box: NDArray[np.float64]
    score: float
    visibility: NDArray[np.float64]
    sigma: NDArray[np.float64]
    depth: NDArray[np.float64] | None = None
    occluded: NDArray[np.float64] | None = None
    modes: NDArray[np.float64] | None = None
    identity: NDArray[np.float64] | None = None
    identity_sigma: NDArray[np.float64] | None = None
    certainty: float = 1.0

    __repr__ = short_repr

    def __post_init__(self) -> None:
        count = LANDMARK_COUNTS.get(self.scheme)
        if count is None:
            raise UsageError(
                f"unknown landmark scheme {self.scheme!r}; use one of {', '.join(sorted(LANDMARK_COUNTS))}"
            )
        size = 0 if self.identity is None else self.identity.size
        for name, array, shape in (
            ("points", self.points, (count, 2)),
            ("box", self.box, (4,)),
            ("visibility", self.visibility, (count,)),
            ("sigma", self.sigma, (count,)),
            ("depth", self.depth, (count,)),
            ("occluded", self.occluded, (count,)),
            ("modes", self.modes, (0 if self.modes is None else len(self.modes), count, 2)),
            ("identity", self.identity, (size,)),
            ("identity_sigma", self.identity_sigma, (size,)),
        ):
            if array is None:
                continue
            if array.shape != shape:
                raise UsageError(
                    f"{name} of {self.scheme} landmarks must have shape {shape}, got {array.shape}"
                )
            if not np.isfinite(array).all():
                raise UsageError(f"{name} of {self.scheme} landmarks has values that are not finite")
        if (self.identity is None) != (self.identity_sigma is None):
            raise UsageError("identity and identity_sigma of landmarks come together or not at all")
        if self.identity_sigma is not None and (self.identity_sigma <= 0).any():
            raise UsageError(f"identity_sigma of {self.scheme} landmarks must be positive")

    @property
    def points_68(self) -> NDArray[np.float64] | None:
        """(68, 2) the iBUG points, or None where the scheme does not contain them."""
        return self.points[:68] if self.scheme in ("ibug68", "wholeface668") else None

    @property
    def points_478(self) -> NDArray[np.float64] | None:
        """(478, 2) the MediaPipe points, or None where the scheme does not contain them."""
        if self.scheme == "mediapipe478":
            return self.points
        return self.points[68:546] if self.scheme == "wholeface668" else None

    @property
    def total_sigma(self) -> NDArray[np.float64]:
        """(L,) standard deviation of x and of y, what the points err together included."""
        if self.modes is None:
            return self.sigma
        together: NDArray[np.float64] = np.square(self.modes).sum(axis=0).mean(axis=-1)
        return np.sqrt(self.sigma**2 + together)

    def as_scheme(self, scheme: LandmarkScheme) -> FaceLandmarks:
        """The points of a smaller scheme, where this one contains them.

        Raises:
            UsageError: it does not.
        """
        if scheme == self.scheme:
            return self
        if self.scheme != "wholeface668" or scheme not in ("ibug68", "mediapipe478"):
            raise UsageError(f"{self.scheme} landmarks do not contain the {scheme} points")
        part = slice(0, 68) if scheme == "ibug68" else slice(68, 546)
        return FaceLandmarks(
            points=self.points[part],
            scheme=scheme,
            box=self.box,
            score=self.score,
            visibility=self.visibility[part],
            sigma=self.sigma[part],
            depth=None if self.depth is None else self.depth[part],
            occluded=None if self.occluded is None else self.occluded[part],
            modes=None if self.modes is None else self.modes[:, part],
            identity=self.identity,
            identity_sigma=self.identity_sigma,
            certainty=self.certainty,
        )

    @staticmethod
    def from_points(
        points: NDArray[np.floating[Any]],
        scheme: LandmarkScheme,
        *,
        score: float = 1.0,
        visibility: NDArray[np.floating[Any]] | None = None,
        sigma: NDArray[np.floating[Any]] | float | None = None,
    ) -> FaceLandmarks:
        """Landmarks from bare points, e.g. of a file: all visible, sigma by default 2 % of the face size."""
        placed = np.asarray(points, dtype=np.float64)
        if placed.shape != (LANDMARK_COUNTS.get(scheme, -1), 2):
            raise UsageError(
                f"{scheme} landmarks must have shape ({LANDMARK_COUNTS.get(scheme)}, 2), got {placed.shape}"
            )
        low, high = placed.min(axis=0), placed.max(axis=0)
        count = len(placed)
        if sigma is None:
            sigma = 0.02 * float(np.sqrt(np.prod(np.maximum(high - low, 1e-6))))
        return FaceLandmarks(
            points=placed,
            scheme=scheme,
            box=np.concatenate([low, high]),
            score=score,
            visibility=np.ones(count) if visibility is None else np.asarray(visibility, dtype=np.float64),
            sigma=np.broadcast_to(np.asarray(sigma, dtype=np.float64), (count,)).copy(),
        )


@runtime_checkable
class LandmarkDetector(Protocol):
    """Anything that finds faces and their landmarks in a photo."""

    def detect(self, pixels: NDArray[np.uint8]) -> tuple[FaceLandmarks, ...]:
        """All faces of a photo, largest first; an empty tuple when there are none.

        Args:
            pixels: (H, W, 3) uint8, sRGB.
        """
        ...
