"""Photos in, reconstructions out: the front door for people with a photo."""

from __future__ import annotations

import warnings
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ._timing import Stopwatch
from .errors import NoFaceError, UsageError
from .methods import get_method
from .methods._prepare import load_in_background, prepare_in_background
from .morphable import MorphableModel
from .photo import Photo, PhotoSource, read_photo

if TYPE_CHECKING:
    from .perceive import FaceParser, LandmarkDetector
    from .perceive._backend import Backend
    from .reconstruction import Reconstruction

__all__ = ["Reconstructor", "reconstruct"]


class Reconstructor:
    """Holds the face model and the detector, so that many photos pay for loading once.

    Args:
        method: name of the system to run; see :data:`wholeface.methods.METHODS`.
        device: ``cpu`` or ``cuda``.
        model: ``wholeface`` (shipped), the path of another model (docs/models.md), or a loaded model.
        detector: finds faces and landmarks; None takes WholeFace's own, see :func:`perceive.load_detector`;
            :class:`perceive.MediapipeDetector` is another.
        backend: what computes the networks that find and parse faces: ``torch`` or ``onnx`` (ONNX Runtime on the
            CPU, needs ``wholeface[onnx]``).
        weights: folder of their weights; None takes the shipped ones.
        texture_size: edge of the texture in texels, 64 to 4096.
        focal: focal length in pixels when known; otherwise taken from EXIF or estimated.
        refine: run the photometric refinement after the landmark fit.

    Raises:
        UsageError: an unknown method, device or backend, or a value out of range.
        ModelFileError: the face model, or a network's weights, cannot be read.

    Example:
        >>> from wholeface import Reconstructor
        >>> reconstructor = Reconstructor()                  # doctest: +SKIP
        >>> head = reconstructor("photo.jpg")                # doctest: +SKIP
        >>> head.save("out/photo")                           # doctest: +SKIP
    """

    def __init__(
        self,
        *,
        method: str = "auto",
        device: str = "cpu",
        model: str | Path | MorphableModel = "wholeface",
        detector: LandmarkDetector | None = None,
        backend: Backend = "torch",
        weights: str | Path | None = None,
        texture_size: int = 1024,
        focal: float | None = None,
        refine: bool = True,
    ) -> None:
        import torch

        if device not in ("cpu", "cuda"):
            raise UsageError(f"unknown device {device!r}; choose cpu or cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise UsageError(
                "device 'cuda': this torch sees no CUDA GPU; use --device cpu, or a CUDA build of torch"
            )
        if backend not in ("torch", "onnx"):
            raise UsageError(f"unknown backend {backend!r}; choose torch or onnx")
        if not 64 <= texture_size <= 4096:
            raise UsageError(f"texture size {texture_size}: choose 64 to 4096 texels")
        if focal is not None and not focal > 0:
            raise UsageError(f"focal length {focal}: must be a positive number of pixels")
        # The file is read and unpacked while the rooms are imported.
        loading = None if isinstance(model, MorphableModel) else load_in_background(model)
        self._run = get_method(method)
        self.method = method
        self.device = device
        self.texture_size = texture_size
        self.focal = focal
        self.refine = refine
        self.model = loading.result() if loading is not None else cast("MorphableModel", model)
        self.backend = backend
        self.weights = None if weights is None else Path(weights)
        self._detector = detector
        prepare_in_background(self.model, texture_size)

    @property
    def detector(self) -> LandmarkDetector:
        """The landmark detector; the default one is loaded when first needed."""
        if self._detector is None:
            self._detector = self._default_detector()
        return self._detector

    @cached_property
    def parser(self) -> FaceParser | None:
        """The face parser, loaded when first needed; None where its weights are not installed."""
        from .perceive import has_weights, load_parser

        if self.weights is None and not has_weights("parsing"):
            return None
        return load_parser(backend=self.backend, weights=self.weights)

    def _default_detector(self) -> LandmarkDetector:
        from .perceive import MediapipeDetector, load_detector
        from .perceive.shipped import usual_detector, without_weights

        if self.weights is None and usual_detector() == "mediapipe":
            return MediapipeDetector()
        if self.weights is None and (note := without_weights()):
            warnings.warn(note, stacklevel=4)
            return MediapipeDetector()
        return load_detector(backend=self.backend, weights=self.weights)

    def __call__(self, photo: PhotoSource | Photo, *, face: int = 1) -> Reconstruction:
        """Reconstruct one face.

        Args:
            photo: path, bytes, PIL image, (H, W[, C]) array or :class:`wholeface.photo.Photo`.
            face: which face, 1 = the largest.

        Raises:
            PhotoError: the photo cannot be read.
            NoFaceError: no face, or fewer faces than ``face``, were found.
        """
        return self.all_faces(photo, face=face)[0]

    def all_faces(self, photo: PhotoSource | Photo, *, face: int | None = None) -> list[Reconstruction]:
        """Reconstruct every face of a photo, largest first (or only number ``face``).

        Raises:
            PhotoError: the photo cannot be read.
            NoFaceError: no face, or fewer faces than ``face``, were found.
            UsageError: ``face`` < 1.
        """
        from .methods._job import FaceJob

        if face is not None and face < 1:
            raise UsageError(f"face {face}: faces are counted from 1, the largest")
        clock = Stopwatch()
        with clock.room("photo"):
            read = photo if isinstance(photo, Photo) else read_photo(photo)
        with clock.room("perceive"):
            detector, parser = self.detector, self.parser
            found = detector.detect(read.pixels)
        if not found:
            raise NoFaceError(
                f"{read.source}: no face found; a face should be at least 30 pixels high and mostly in view"
            )
        if face is not None and face > len(found):
            raise NoFaceError(f"{read.source}: face {face} was asked for, but only {len(found)} found")
        results = []
        for number, landmarks in enumerate(found, start=1):
            if face is not None and number != face:
                continue
            stopwatch = Stopwatch()
            stopwatch.milliseconds.update(clock.milliseconds)
            job = FaceJob(
                photo=read,
                landmarks=landmarks,
                model=self.model,
                face_number=number,
                face_count=len(found),
                focal=self.focal if self.focal is not None else read.focal_px,
                texture_size=self.texture_size,
                refine=self.refine,
                device=self.device,
                stopwatch=stopwatch,
                parser=parser,
            )
            results.append(self._run(job))
        return results


def reconstruct(
    photo: PhotoSource | Photo, *, face: int = 1, method: str = "auto", device: str = "cpu"
) -> Reconstruction:
    """One photo in, one whole face out.

    Args:
        photo: path, bytes, PIL image, (H, W[, C]) array or :class:`wholeface.photo.Photo`.
        face: which face, 1 = the largest.
        method: name of the system to run.
        device: ``cpu`` or ``cuda``.

    Returns:
        :class:`wholeface.Reconstruction` with ``.save()``, ``.mesh()``, ``.render()`` and ``.animate()``.

    Raises:
        PhotoError: the photo cannot be read.
        NoFaceError: no face was found.

    For many photos make one :class:`Reconstructor` and call it, so that loading is paid once.

    Example:
        >>> import wholeface
        >>> head = wholeface.reconstruct("photo.jpg")        # doctest: +SKIP
        >>> head.save("out/photo")                           # doctest: +SKIP
    """
    return Reconstructor(method=method, device=device)(photo, face=face)
