"""What a worker process does with a photo: the reconstructor, its stages told, its files written."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError, WholeFaceError
from ...export import write_json
from ...methods import MethodSpec, get_method, method_names
from ...photo import Photo, read_photo
from ...reconstructor import Reconstructor
from ...stages.pipeline import Where
from .screen import PHOTO, write_screen_copies, write_screen_photo
from .summary import face_summary

if TYPE_CHECKING:
    from ...result.reconstruction import Reconstruction
    from ...stages import FaceState, Stage, Tools

__all__ = ["ReconstructorEngine"]

_READ, _FIND, _WRITE = "reading the photo", "finding faces", "writing the head"
_OF_THE_RECONSTRUCTOR = ("texture_size", "focal", "remove", "min_face", "certainty")
_KEPT = 4  # reconstructors of different options
_HINT = "; shrink it or raise max_pixels (--max-pixels)"
Tell = Callable[[str, int, int], None]


class ReconstructorEngine:
    """Holds the models, and reconstructs one photo after the other.

    Args:
        config: ``method``, ``device`` and ``max_pixels`` of :class:`.settings.ServeSettings`.

    Raises:
        WholeFaceError: the models cannot be loaded.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self._made: OrderedDict[tuple[Any, ...], _Told] = OrderedDict()
        first = self._told(method=config["method"])
        self._model = first.reconstructor.model
        _ = first.reconstructor.detector, first.reconstructor.parser

    def __call__(self, photo: Path, folder: Path, options: Mapping[str, Any], tell: Tell) -> None:
        """Reconstruct the faces of a photo.

        Args:
            photo: the uploaded file.
            folder: to be created and filled; ``result.json`` in it names all files and describes the faces.
            options: of :class:`.options.Options`.
            tell: is given what is being done, the number of that step, and how many there are.

        Raises:
            WholeFaceError: no face, no photo, bad options.
        """
        method = options.get("method") or self._config["method"]
        if options.get("method") and method not in method_names():
            raise UsageError(f"unknown method {method!r}; choose from {', '.join(method_names())}")
        chosen = {name: options[name] for name in _OF_THE_RECONSTRUCTOR if options.get(name) is not None}
        told = self._told(method=method, refine=not options["fast"], **chosen)
        steps = len(told.stages) + 3
        tell(_READ, 1, steps)
        read = _read(photo, self._config["max_pixels"])
        tell(_FIND, 2, steps)
        told.tell = lambda name: tell(name, 3 + told.stages.index(name), steps)
        try:
            heads = told.reconstructor.all_faces(
                read, face=options["face"], max_faces=None if options["face"] else options["max_faces"]
            )
        except WholeFaceError as error:
            raise type(error)(_in_words_of_the_form(str(error))) from error
        finally:
            told.tell = None
        tell(_WRITE, steps, steps)
        _write(read, heads, folder, options)

    def _told(self, **chosen: Any) -> _Told:
        key = tuple(sorted(chosen.items()))
        if key not in self._made:
            shared = {"model": self._model} if self._made else {}
            spec = get_method(chosen.pop("method"))
            self._made[key] = _Told(spec, device=self._config["device"], **shared, **chosen)
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return self._made[key]


class _Told:
    """A reconstructor whose stages say when they begin."""

    def __init__(self, spec: MethodSpec, **options: Any) -> None:
        self.tell: Callable[[str], None] | None = None
        telling = dataclasses.replace(
            spec, stages=lambda o, t: [_TellingStage(step, self._begun) for step in spec.stages(o, t)]
        )
        self.reconstructor = Reconstructor(method=telling, **options)
        self.stages = [step.name for step in self.reconstructor.stages]

    def _begun(self, name: str) -> None:
        if self.tell is not None:
            self.tell(name)


class _TellingStage:
    """A stage that says its name when it begins."""

    def __init__(self, inner: Stage, begun: Callable[[str], None]) -> None:
        self._inner = inner
        self._begun = begun
        self.name, self.reads, self.writes = inner.name, inner.reads, inner.writes

    def __call__(self, faces: Sequence[FaceState], tools: Tools) -> list[FaceState]:
        if not isinstance(self._inner, Where) or any(map(self._inner.condition, faces)):
            self._begun(self.name)
        return self._inner(faces, tools)

    def prepare(self, tools: Tools) -> None:
        """As the stage does it, where it does."""
        if (prepare := getattr(self._inner, "prepare", None)) is not None:
            prepare(tools)


def _read(path: Path, max_pixels: int) -> Photo:
    """The photo; from its bytes, so that no message and no file tells where it lies."""
    try:
        photo = read_photo(path.read_bytes(), max_pixels=max_pixels)
    except WholeFaceError as error:
        raise type(error)(_in_words_of_the_form(str(error))) from error
    return dataclasses.replace(photo, source="<upload>")


def _in_words_of_the_form(message: str) -> str:
    """A message of the library for people who know neither files nor flags, but the fields of the form."""
    for old, new in (
        ("<upload>: ", ""),
        ("<bytes>", "the photo"),
        (_HINT, "; send a smaller one"),
        ("--min-face ", "min_face="),
        ("--certainty ", "certainty="),
    ):
        message = message.replace(old, new)
    return message


def _write(photo: Photo, heads: Sequence[Reconstruction], folder: Path, options: Mapping[str, Any]) -> None:
    from PIL import Image

    folder.mkdir()
    write_screen_photo(folder / PHOTO, Image.fromarray(photo.pixels))
    files, faces = [PHOTO], []
    for head in heads:
        place = folder / str(head.face_number)
        head.save(
            place,
            formats=options["formats"],
            expressions=options["expressions"],
            expression_names=options["expression_names"],
            detail=options["detail"],
            options=options,
        )
        write_screen_copies(place, place)
        names = sorted(path.name for path in place.iterdir())
        files += [f"{place.name}/{name}" for name in names]
        faces.append({**face_summary(place), "files": names})
    report = {
        "photo": {"width": photo.width, "height": photo.height, "warnings": photo.warnings},
        "face_count": heads[0].face_count,
        "faces": faces,
        "files": files,
    }
    write_json(folder / "result.json", report)
