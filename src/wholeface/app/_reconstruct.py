"""``wholeface reconstruct``: photos in, folders out."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import PhotoError, UsageError, WholeFaceError
from ._ahead import PhotosAhead, start_detector
from ._garbage import collection_postponed
from ._progress import progress_bar

if TYPE_CHECKING:
    from ..photo import Photo
    from ..reconstruction import Reconstruction
    from ..reconstructor import Reconstructor

_PHOTO_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".heic", ".heif"}
_FORMATS = ("glb", "obj", "ply")

_DESCRIPTION = """\
Reconstruct every face of every photo. For each face the folder OUT/<photo stem>/ (or <photo stem>_faceN/
when a photo shows several) receives:

  face.glb          the whole head: mesh, texture, normals (add --expressions for morph targets)
  preview.png       photo, mask, completed photo, and the head from three sides
  deoccluded.png    the photo with whatever hid the face replaced
  occluder.png      255 = something in front of the face        (size of the photo)
  face_region.png   255 = the face, hidden parts included       (size of the photo)
  texture.png       the complete texture
  provenance.png    which texels were seen (green), mirrored (yellow) or made up by the model (red)
  face.json         parameters, camera, pose, landmarks, timings, warnings, quality verdict
"""

_EPILOG = """\
examples:
  wholeface reconstruct holiday.jpg -o out
  wholeface reconstruct photos/ -o out --format glb,obj --json > report.jsonl
  wholeface reconstruct group.jpg -o out --face 2

exit code: 0 every photo gave a face, 1 some did not, 2 none did or the command was wrong
"""


def _formats(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in _FORMATS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(_FORMATS)} (comma-separated)")
    return names


def _texture_size(text: str) -> int:
    if not text.isdigit() or not 64 <= int(text) <= 4096:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of texels from 64 to 4096, e.g. 1024")
    return int(text)


def _face_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: faces are counted from 1 (the largest)")
    return int(text)


def _face_height(text: str) -> float:
    return _number(text, 1.0, 100_000.0, "pixels, at least 1, e.g. 20")


def _certainty(text: str) -> float:
    return _number(text, 0.0, 1.0, "a certainty from 0 to 1, e.g. 0.3")


def _number(text: str, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r}: {what}")
    return value


def add_reconstruct_parser(commands: Any) -> None:
    """Add ``reconstruct`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "reconstruct",
        help="photo(s) in, complete textured 3D heads out",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="image files, or folders of them")
    parser.add_argument(
        "-o", "--out", required=True, metavar="OUT", help="folder for the results (is created)"
    )
    parser.add_argument("--method", default="auto", help="which system to run (default: auto)")
    parser.add_argument(
        "--format",
        dest="formats",
        type=_formats,
        default=("glb",),
        metavar="LIST",
        help="glb,obj,ply (default: glb)",
    )
    parser.add_argument(
        "--texture-size",
        type=_texture_size,
        default=1024,
        metavar="N",
        help="edge of the texture (default: 1024)",
    )
    parser.add_argument(
        "--expressions", action="store_true", help="write the named expressions as GLB morph targets"
    )
    parser.add_argument(
        "--device",
        choices=("cpu", "cuda"),
        default="cpu",
        help="where to compute (default: cpu; the present method uses the CPU either way)",
    )
    parser.add_argument(
        "--face", type=_face_number, metavar="N", help="only the N-th largest face (default: all faces)"
    )
    parser.add_argument(
        "--model", default="wholeface", metavar="FILE", help="another face model (see docs/models.md)"
    )
    parser.add_argument(
        "--detector",
        choices=("auto", "wholeface", "mediapipe"),
        default="auto",
        help="what finds faces and landmarks (default: auto: our own networks)",
    )
    parser.add_argument(
        "--backend",
        choices=("torch", "onnx"),
        default="torch",
        help="what computes WholeFace's own networks (default: torch; onnx needs wholeface[onnx])",
    )
    parser.add_argument(
        "--weights",
        type=Path,
        metavar="FOLDER",
        help="other weights for these networks (see docs/training.md)",
    )
    parser.add_argument(
        "--min-face", type=_face_height, metavar="PX",
        help="height of the smallest faces to look for (default: about 1/50 of the photo's longer side)",
    )  # fmt: skip
    parser.add_argument(
        "--certainty", type=_certainty, metavar="C",
        help="0 to 1: how sure a face must be (default: 0.5); less keeps badly seen faces, and things like faces",
    )  # fmt: skip
    parser.add_argument("--focal", type=float, metavar="PX", help="focal length in pixels, when you know it")
    parser.add_argument("--fast", action="store_true", help="skip the photometric refinement")
    parser.add_argument("--json", action="store_true", help="one JSON line per photo on standard output")
    parser.set_defaults(run=_run)


def _expand(words: Sequence[str]) -> list[Path]:
    """Files of the command line in order, folders replaced by the photos in them."""
    paths: list[Path] = []
    for word in words:
        path = Path(word)
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.is_file() and p.suffix.lower() in _PHOTO_SUFFIXES)
            if not inside:
                raise UsageError(f"{path}: the folder holds no photos ({', '.join(sorted(_PHOTO_SUFFIXES))})")
            paths.extend(inside)
        else:
            paths.append(path)
    return paths


def _folder_names(paths: Sequence[Path]) -> list[str]:
    """A folder name for each photo: its stem, numbered where two photos share one."""
    taken: set[str] = set()
    names = []
    for path in paths:
        name, count = path.stem, 1
        while name in taken:
            count += 1
            name = f"{path.stem}-{count}"
        taken.add(name)
        names.append(name)
    return names


def _save_all(
    found: Sequence[Reconstruction], out: Path, name: str, options: argparse.Namespace
) -> list[Path]:
    """Write each face of one photo; the folder carries a face number only where there are several."""
    folders = []
    for face in found:
        folder = out / (name if face.face_count == 1 else f"{name}_face{face.face_number}")
        face.save(folder, formats=options.formats, expressions=options.expressions)
        folders.append(folder)
    return folders


def _reports(
    reconstructor: Reconstructor,
    photos: Iterable[Photo | Exception],
    paths: Sequence[Path],
    options: argparse.Namespace,
) -> Iterator[dict[str, Any]]:
    out = Path(options.out)
    for photo, path, name in zip(photos, paths, _folder_names(paths)):
        report: dict[str, Any] = {"photo": str(path)}
        try:
            if isinstance(photo, Exception):
                raise photo
            found = reconstructor.all_faces(photo, face=options.face)
            folders = _save_all(found, out, name, options)
            report.update(ok=True, faces=[_summary(face, folder) for face, folder in zip(found, folders)])
        except WholeFaceError as error:
            report.update(ok=False, error=error.kind, message=str(error))
        except (OSError, MemoryError) as error:
            report.update(ok=False, error=type(error).__name__, message=str(error) or type(error).__name__)
        yield report


def _summary(face: Reconstruction, folder: Path) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "face": face.face_number,
        "quality": face.quality.verdict,
        "hidden": round(face.hidden_fraction, 3),
        "warnings": list(face.warnings),
        "timings_ms": {name: round(ms, 1) for name, ms in face.timings_ms.items()},
    }


def _lines(report: dict[str, Any]) -> Iterator[str]:
    """What a person reads about one photo."""
    if not report["ok"]:
        yield f"{report['photo']}: {report['message']}"
        return
    for face in report["faces"]:
        total = sum(face["timings_ms"].values()) / 1000
        hidden = f"{face['hidden']:.0%} of the face was hidden"
        yield f"{face['folder']}  {hidden}, quality {face['quality']}, {total:.1f} s"
        for warning in face["warnings"]:
            yield f"  note: {warning}"


def _run(options: argparse.Namespace) -> int:
    paths = _expand(options.photos)
    out = Path(options.out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; give a folder with -o")
    missing = [p for p in paths if not p.exists()]
    if len(missing) == len(paths):
        raise PhotoError(
            f"{missing[0]}: no such file" + (f" (nor the other {len(missing) - 1})" if missing[1:] else "")
        )

    with ExitStack() as stack:
        resume_collection = stack.enter_context(collection_postponed())
        # Before torch is imported, which takes about as long as mediapipe needs for the first photo.
        detector = start_detector(options.detector)
        if close := getattr(detector, "close", None):
            stack.callback(close)
        photos = PhotosAhead(paths, detector)

        from ..reconstructor import Reconstructor

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
            min_face=options.min_face,
            certainty=options.certainty,
        )
        _ = reconstructor.detector, reconstructor.parser  # what is wrong with them is said once, and at once
        good = 0
        progress = stack.enter_context(progress_bar(shown=len(paths) > 1))
        task = progress.add_task("photos", total=len(paths))
        for report in _reports(reconstructor, photos, paths, options):
            resume_collection()
            good += report["ok"]
            if options.json:
                print(json.dumps(report), flush=True)
            elif report["ok"]:
                for line in _lines(report):
                    print(line, flush=True)
            if not report["ok"]:
                for line in _lines(report):
                    print(f"wholeface: {line}", file=sys.stderr, flush=True)
            progress.advance(task)
    if len(paths) > 1 and good < len(paths):
        print(f"wholeface: {good} of {len(paths)} photos done", file=sys.stderr)
    return 0 if good == len(paths) else 1 if good else 2
