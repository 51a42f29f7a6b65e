"""One run of ``wholeface reconstruct``: which photo goes where, what is done already, and what became of each."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.ahead import ahead
from ...core.errors import OutputError, UsageError, WholeFaceError
from ...result.files import belongs_to_a_result
from ...result.swap import clear_leftovers
from ._ahead import PhotosAhead, start_detector
from ._finished import EarlierResults
from ._folders import ExistingFolders, assign_folders, face_folder
from ._garbage import collection_postponed
from ._inputs import PhotoFile, gather_photos
from ._progress import progress_bar
from ._report import failure, lines, noted_face, saved_face
from ._terminal import say

if TYPE_CHECKING:
    from ...photo import Photo
    from ...reconstructor import Reconstructor
    from ...result.reconstruction import Reconstruction

__all__ = ["run_batch"]

_NOT_OF_THE_RESULT = {"command", "run", "photos", "out", "json", "resume"}


@dataclass(frozen=True)
class _Planned:
    """A photo and where its result goes.

    Args:
        photo: the file.
        name: of its folder in OUT, without the number of a face.
        earlier: folders in OUT that hold its faces from an earlier run.
        finished: folder -> record, where an earlier run did all that is asked for.
    """

    photo: PhotoFile
    name: str = ""
    earlier: tuple[str, ...] = ()
    finished: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def waits(self) -> bool:
        """Whether it is still to be reconstructed."""
        return self.photo.problem is None and self.finished is None


def run_batch(options: argparse.Namespace) -> int:
    """Reconstructs every photo of the command line; returns the exit code."""
    if options.same_person and options.resume:
        raise UsageError(
            "--same-person fits all photos together and cannot go on where a run ended; leave out --resume"
        )
    out = _checked_out(options.out)
    photos, notes = gather_photos(options.photos)
    for note in notes:
        say(f"wholeface: note: {note}", sys.stderr)
    plan = _plan(photos, out, options)
    good = 0
    with ExitStack() as stack:
        progress = stack.enter_context(progress_bar(shown=len(plan) > 1))
        task = progress.add_task("photos", total=len(plan))
        for report in _reports(plan, out, options, stack):
            good += report["ok"]
            if options.json:
                print(json.dumps(report), flush=True)
            elif report["ok"]:
                for line in lines(report):
                    say(line)
            if not report["ok"]:
                for line in lines(report):
                    say(f"wholeface: {line}", sys.stderr)
            progress.advance(task)
    if len(plan) > 1 and good < len(plan):
        say(f"wholeface: {good} of {len(plan)} photos done", sys.stderr)
    return 0 if good == len(plan) else 1 if good else 2


def _checked_out(word: str) -> Path:
    """OUT, when results can be written there, as far as that can be told without creating it.

    Raises:
        UsageError: it is a file.
        OutputError: it cannot be reached, or not be written.
    """
    out = Path(word)
    try:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # others speak for themselves
            if not stat.S_ISDIR(os.stat(out).st_mode):
                raise UsageError(f"{out} is a file; give a folder with -o")
        nearest = out.absolute()
        while not nearest.exists() and nearest != nearest.parent:
            nearest = nearest.parent
        if not nearest.is_dir():
            raise UsageError(f"{nearest} is a file, so {out} cannot be a folder; give another one with -o")
        writable = os.access(nearest, os.W_OK | os.X_OK)
    except UsageError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"cannot write to {out}: {reason}; give another folder with -o") from error
    if not writable:
        raise OutputError(f"cannot write to {out}: no permission in {nearest}; give another folder with -o")
    return out


def _plan(photos: Sequence[PhotoFile], out: Path, options: argparse.Namespace) -> list[_Planned]:
    """Where each photo's result goes, and whether it is there; touches nothing but leftovers of killed runs."""
    readable = [photo for photo in photos if photo.problem is None]
    if readable:
        clear_leftovers(out, own=belongs_to_a_result)
    existing = ExistingFolders.of(out)
    results = EarlierResults(out)
    names = iter(assign_folders([p.path for p in readable], existing, results.held_by_another))
    plan = []
    for photo in photos:
        if photo.problem is not None:
            plan.append(_Planned(photo))
            continue
        name = next(names)
        earlier = tuple(f for f in existing.of_photo(name) if results.is_of(f, photo.path))
        finished = None
        if options.resume:
            finished = results.finished(name, earlier, photo.path, noted_options(options))
        plan.append(_Planned(photo, name, earlier, finished))
    return plan


def noted_options(options: argparse.Namespace) -> dict[str, Any]:
    """What ``face.json`` notes of the options: all on which a result depends."""
    from ...export.json_file import plain_json

    chosen = {name: value for name, value in vars(options).items() if name not in _NOT_OF_THE_RESULT}
    return dict(plain_json(chosen, digits=7))


def _reports(
    plan: Sequence[_Planned], out: Path, options: argparse.Namespace, stack: ExitStack
) -> Iterator[dict[str, Any]]:
    """What became of each photo, in order; networks are loaded when the first one needs them."""
    waiting = [planned.photo.path for planned in plan if planned.waits]
    # The next photo is reconstructed while the files of this one are written.
    results = ahead(_results(waiting, options, stack))
    stack.callback(results.close)
    for planned in plan:
        report: dict[str, Any] = {"photo": str(planned.photo)}
        if planned.photo.problem is not None:
            report.update(failure(planned.photo.problem))
        elif planned.finished is not None:
            faces = [noted_face(record, out / folder) for folder, record in planned.finished.items()]
            report.update(ok=True, skipped=True, faces=faces)
        else:
            found = next(results)
            try:
                if isinstance(found, Exception):
                    raise found
                report.update(_saved(found, planned, out, options))
            except (WholeFaceError, OSError, MemoryError) as error:
                report.update(failure(error))
        yield report


def _results(
    paths: Sequence[Path], options: argparse.Namespace, stack: ExitStack
) -> Iterator[list[Reconstruction] | Exception]:
    """The faces of each photo, or the error that it ended with."""
    if not paths:
        return
    resume_collection = stack.enter_context(collection_postponed())
    # Before torch is imported, which takes about as long as mediapipe needs for the first photo.
    detector = start_detector(options.detector)
    if close := getattr(detector, "close", None):
        stack.callback(close)
    photos = PhotosAhead(paths, detector, options.max_pixels)

    from ...reconstructor import Reconstructor

    reconstructor = Reconstructor(
        method=options.method,
        device=options.device,
        model=options.model,
        detector=detector,
        backend=options.backend,
        weights=options.weights,
        texture_size=options.texture_size,
        focal=options.focal,
        refine=not options.fast,
        remove=options.remove,
        relief=options.detail != "none",
        min_face=options.min_face,
        certainty=options.certainty,
    )
    _ = reconstructor.detector, reconstructor.parser  # what is wrong with them is said once, and at once
    if options.same_person:
        yield from _one_person(reconstructor, list(photos), options)
        return
    for photo in photos:
        yield _faces(reconstructor, photo, options)
        resume_collection()


def _one_person(
    reconstructor: Reconstructor, photos: Sequence[Photo | Exception], options: argparse.Namespace
) -> Iterator[list[Reconstruction] | Exception]:
    """The face of one person in each photo, all fitted together, or the error that the photo ended with."""
    good = [photo for photo in photos if not isinstance(photo, Exception)]
    try:
        found = iter(reconstructor.same_person(good, face=options.face) if good else [])
    except (WholeFaceError, OSError, MemoryError) as error:
        yield from (photo if isinstance(photo, Exception) else error for photo in photos)
        return
    for photo in photos:
        result = photo if isinstance(photo, Exception) else next(found)
        yield result if isinstance(result, Exception) else [result]


def _faces(
    reconstructor: Reconstructor, photo: Photo | Exception, options: argparse.Namespace
) -> list[Reconstruction] | Exception:
    try:
        if isinstance(photo, Exception):
            raise photo
        return reconstructor.all_faces(photo, face=options.face, max_faces=options.max_faces)
    except (WholeFaceError, OSError, MemoryError) as error:
        return error


def _saved(
    found: Sequence[Reconstruction], planned: _Planned, out: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Writes each face of one photo; the report about them."""
    faces, notes, written = [], [], set()
    for face in found:
        folder = face_folder(planned.name, face.face_number, face.face_count)
        face.save(
            out / folder,
            formats=options.formats,
            expressions=options.expressions,
            expression_names=options.expression_names,
            detail=options.detail,
            options=noted_options(options),
        )
        written.add(folder)
        faces.append(saved_face(face, out / folder))
    left_out = found[0].face_count - len(found) if options.face is None else 0
    if left_out > 0 and options.same_person:
        notes.append(
            f"{found[0].face_count} faces found; the largest was taken for the person (--face takes another)"
        )
    elif left_out > 0:
        notes.append(
            f"{found[0].face_count} faces found; {left_out} not done (--max-faces {options.max_faces})"
        )
    stale = [folder for folder in planned.earlier if folder not in written]
    if stale and options.face is None:
        notes.append(f"of an earlier run of this photo, and still there: {', '.join(stale)}")
    return {"ok": True, "faces": faces, "left_out": left_out, "notes": notes}
