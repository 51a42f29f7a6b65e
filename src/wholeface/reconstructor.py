"""Photos in, reconstructions out: the front door for people with a photo."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from .core.ahead import ahead
from .core.errors import NoFaceError, UsageError, WholeFaceError
from .core.timing import Stopwatch
from .methods import MethodOptions, MethodSpec, get_method
from .morphable import MorphableModel, load_model
from .perceive.certainty import no_face_error
from .photo import DEFAULT_MAX_PIXELS, Photo, PhotoSource, read_photo
from .stages import FaceState, Networks, Tools, run_stages
from .stages.prepare import in_background, prepare_stages

if TYPE_CHECKING:
    from .networks.backend import Backend
    from .perceive import FaceParser, LandmarkDetector
    from .result.reconstruction import Reconstruction

__all__ = ["Reconstructor", "reconstruct"]


class Reconstructor:
    """Holds the face model and the networks, so that many photos pay for loading once.

    Args:
        method: name of the system to run (see :func:`wholeface.methods.get_method`), a Python file that holds one, or
            a :class:`wholeface.methods.MethodSpec`.
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
        max_pixels: photos with more pixels are refused, see :func:`wholeface.photo.read_photo`.
        min_face: height in photo pixels from which faces are looked for; smaller ones take more time. None: about
            1/50 of the photo's longer side.
        certainty: least certainty in [0, 1] of the faces that are kept; less keeps badly seen faces, and patterns
            that look like faces. None: :data:`wholeface.perceive.certainty.KEPT`.

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
        method: str | MethodSpec = "auto",
        device: str = "cpu",
        model: str | Path | MorphableModel = "wholeface",
        detector: LandmarkDetector | None = None,
        backend: Backend = "torch",
        weights: str | Path | None = None,
        texture_size: int = 1024,
        focal: float | None = None,
        refine: bool = True,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        min_face: float | None = None,
        certainty: float | None = None,
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
        # The file is read and unpacked while the method's modules are imported.
        loading = in_background(lambda: _loaded(model), "face model")
        spec = get_method(method)
        if max_pixels < 1:
            raise UsageError(f"max_pixels {max_pixels}: must be a positive number of pixels")
        self.max_pixels = max_pixels
        options = MethodOptions(texture_size=texture_size, focal=focal, refine=refine)
        self.method = spec.name
        self.tools = Tools(
            model=loading.result(),
            networks=Networks(
                backend=backend,
                weights=None if weights is None else Path(weights),
                detector=detector,
                min_face=min_face,
                certainty=certainty,
            ),
            device=torch.device(device),
        )
        self.stages = spec.build(options, self.tools)
        self._preparation = in_background(lambda: prepare_stages(self.stages, self.tools), "tables")

    @property
    def model(self) -> MorphableModel:
        """The face model."""
        return self.tools.model

    @property
    def detector(self) -> LandmarkDetector:
        """The landmark detector; the default one is loaded when first needed."""
        return self.tools.networks.detector

    @property
    def parser(self) -> FaceParser | None:
        """The face parser, loaded when first needed; None where its weights are not installed."""
        return self.tools.networks.parser

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

    def all_faces(
        self, photo: PhotoSource | Photo, *, face: int | None = None, max_faces: int | None = None
    ) -> list[Reconstruction]:
        """Reconstruct every face of a photo, largest first (or only number ``face``, or the ``max_faces`` largest).

        Raises:
            PhotoError: the photo cannot be read.
            NoFaceError: no face, or fewer faces than ``face``, were found.
            UsageError: ``face`` or ``max_faces`` < 1.
        """
        _check(face, max_faces)
        found = next(self._batches(iter([photo]), face, max_faces, 1))
        if isinstance(found, WholeFaceError):
            raise found
        return found

    def batch(
        self,
        photos: Iterable[PhotoSource | Photo],
        *,
        face: int | None = None,
        max_faces: int | None = None,
        size: int = 8,
    ) -> Iterator[list[Reconstruction] | WholeFaceError]:
        """Reconstruct many photos; the networks see the faces of several photos at once.

        Two threads work while the iteration lasts: while the caller saves what he was given, the next photos are
        reconstructed, and those after them read and searched for faces.

        Args:
            photos: any number; they are read a little ahead of what was asked for, by another thread.
            face: only this face of each photo, 1 = the largest; None reconstructs all.
            max_faces: at most so many faces of each photo, the largest; None sets no limit.
            size: photos that go through the stages together; memory grows with it (up to three times as many photos
                are held at once), results do not depend on it.

        Yields:
            For each photo, in order, the reconstructions of its faces, largest first, or the error that it ended
            with: a photo that cannot be read or shows no face does not stop the others.

        Raises:
            UsageError: ``face``, ``max_faces`` or ``size`` < 1.

        Example:
            >>> for heads in Reconstructor().batch(paths):       # doctest: +SKIP
            ...     if not isinstance(heads, Exception):
            ...         heads[0].save(f"out/{heads[0].photo.source}")
        """
        _check(face, max_faces)
        if size < 1:
            raise UsageError(f"size {size}: at least one photo at a time")
        return ahead(self._batches(iter(photos), face, max_faces, size, overlapped=True), size)

    def same_person(
        self, photos: Sequence[PhotoSource | Photo], *, face: int | None = None
    ) -> list[Reconstruction | WholeFaceError]:
        """Reconstruct several photos of one person in one fit: all heads have the same shape.

        Each photo keeps its own expression, pose, light and texture. What one photo hides another may show, and
        the shape is surer than that of each by itself.

        Args:
            photos: at least one; all go through the stages together.
            face: which face of each photo, 1 = the largest (the default).

        Returns:
            For each photo, in order, the reconstruction, or the error that it ended with; the others go on.

        Raises:
            UsageError: no photos, or ``face`` < 1.
        """
        _check(face, None)
        if not photos:
            raise UsageError("same_person() needs at least one photo")
        perceived = (self._perceive(photo, face or 1, None, subject="the person") for photo in photos)
        found = self._through_stages(perceived, len(photos))
        return [heads if isinstance(heads, WholeFaceError) else heads[0] for heads in found]

    def _batches(
        self,
        photos: Iterator[PhotoSource | Photo],
        face: int | None,
        max_faces: int | None,
        size: int,
        *,
        overlapped: bool = False,
    ) -> Iterator[list[Reconstruction] | WholeFaceError]:
        perceived = (self._perceive(photo, face, max_faces) for photo in photos)
        with closing(ahead(perceived, size) if overlapped else perceived) as seen:
            yield from self._through_stages(seen, size)

    def _through_stages(
        self, perceived: Iterator[list[FaceState] | WholeFaceError], size: int
    ) -> Iterator[list[Reconstruction] | WholeFaceError]:
        while starts := list(islice(perceived, size)):
            flat = [state for start in starts if not isinstance(start, WholeFaceError) for state in start]
            done = iter(run_stages(self.stages, flat, self.tools))
            for start in starts:
                if isinstance(start, WholeFaceError):
                    yield start
                else:
                    yield self._results([next(done) for _ in start])

    def _perceive(
        self,
        photo: PhotoSource | Photo,
        face: int | None,
        max_faces: int | None,
        *,
        subject: str | None = None,
    ) -> list[FaceState] | WholeFaceError:
        """The photo, read, and the faces in it."""
        clock = Stopwatch()
        try:
            with clock.stage("photo"):
                read = photo if isinstance(photo, Photo) else read_photo(photo, max_pixels=self.max_pixels)
            with clock.stage("perceive"):
                found = self.detector.detect(read.pixels)
            if not found:
                raise no_face_error(str(read.source), self.detector, read.pixels)
            if face is not None and face > len(found):
                raise NoFaceError(f"{read.source}: face {face} was asked for, but only {len(found)} found")
        except WholeFaceError as error:
            return error
        return [
            FaceState(
                photo=read,
                landmarks=landmarks,
                subject=subject,
                face_number=number,
                face_count=len(found),
                warnings=tuple(read.warnings),
                timings_ms=dict(clock.milliseconds),
            )
            for number, landmarks in enumerate(found, start=1)
            if (number == face if face is not None else max_faces is None or number <= max_faces)
        ]

    def _results(self, states: Sequence[FaceState | WholeFaceError]) -> list[Reconstruction] | WholeFaceError:
        """Of one photo: its faces, or the error of the first face when none came through."""
        from .result.from_state import reconstruction_of

        if self._preparation.done():
            self._preparation.result()  # what went wrong in the background is said
        good = [state for state in states if isinstance(state, FaceState)]
        if not good:
            return next(state for state in states if isinstance(state, WholeFaceError))
        lost = [state for state in states if isinstance(state, WholeFaceError)]
        notes = tuple(f"another face of this photo could not be reconstructed: {error}" for error in lost)
        return [reconstruction_of(state.warn(*notes), self.method, self.tools) for state in good]


def _check(face: int | None, max_faces: int | None) -> None:
    if face is not None and face < 1:
        raise UsageError(f"face {face}: faces are counted from 1, the largest")
    if max_faces is not None and max_faces < 1:
        raise UsageError(f"max_faces {max_faces}: at least one face")


def _loaded(model: str | Path | MorphableModel) -> MorphableModel:
    return model if isinstance(model, MorphableModel) else load_model(model)


def reconstruct(
    photo: PhotoSource | Photo,
    *,
    face: int = 1,
    method: str | MethodSpec = "auto",
    device: str = "cpu",
    model: str | Path | MorphableModel = "wholeface",
    max_pixels: int = DEFAULT_MAX_PIXELS,
) -> Reconstruction:
    """One photo in, one whole face out.

    Args:
        photo: path, bytes, PIL image, (H, W[, C]) array or :class:`wholeface.photo.Photo`.
        face: which face, 1 = the largest.
        method: name of the system to run.
        device: ``cpu`` or ``cuda``.
        model: ``wholeface`` (shipped), the path of another face model, or a loaded one.
        max_pixels: photos with more pixels are refused.

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
    reconstructor = Reconstructor(method=method, device=device, model=model, max_pixels=max_pixels)
    return reconstructor(photo, face=face)
