"""``wholeface reconstruct``: photos in, folders out."""

from __future__ import annotations

import argparse
from typing import Any

from ._words import named, path_of

_FORMATS = ("glb", "obj", "ply")
_DETAILS = ("none", "normal", "mesh")

_DESCRIPTION = """\
Reconstruct every face of every photo. For each face the folder OUT/<photo stem>/ (or <photo stem>_faceN/
when a photo shows several) receives:

  face.glb          the whole head: mesh, texture, normals (add --expressions for morph targets); in metres
  face.obj, .ply    the mesh again, with --format; in millimetres
  preview.png       photo, mask, completed photo, and the head from three sides
  deoccluded.png    the photo with whatever hid the face replaced
  occluder.png      255 = something in front of the face        (size of the photo)
  face_region.png   255 = the face, hidden parts included       (size of the photo)
  lens.png          255 = seen through a clear lens; only where spectacles are worn
  texture.png       the complete texture
  provenance.png    which texels were seen (green), mirrored (yellow), made by the generator (blue)
                    or by the model's statistics (red)
  displacement.png  wrinkles and folds: 16 bit grey, 32768 + micrometres outwards; only where they were found
  relief_provenance.png  where these come from: seen (green), mirrored (yellow), another face's (violet),
                    or nobody knows (red)
  face.json         parameters, camera, pose, landmarks (in millimetres), timings, warnings, quality verdict

A result is written as a whole: a folder with face.json is complete, and an earlier result in it is replaced;
other files in it stay. Photos that share a name get folders of their own (x, x-2, ...), and so does a photo
whose folder holds the result of another photo.
"""

_EPILOG = """\
examples:
  wholeface reconstruct holiday.jpg -o out
  wholeface reconstruct photos/ -o out --format glb,obj --json > report.jsonl
  wholeface reconstruct group.jpg -o out --face 2
  wholeface reconstruct --same-person a.jpg b.jpg c.jpg -o out      one shape for all of them
  wholeface reconstruct photo.jpg -o out --remove glasses           deoccluded.png without spectacles alone
  wholeface reconstruct photos/ -o out --resume          go on with a run that was interrupted

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


def _pixels(text: str) -> int:
    """A number of pixels; a suffix ``M`` means millions."""
    number = text[:-1] if text[-1:] in ("M", "m") else text
    if not number.isdecimal() or not 0 < len(number) <= 12 or int(number) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of pixels, e.g. 200M")
    return int(number) * (1_000_000 if number != text else 1)


def _face_number(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: faces are counted from 1 (the largest)")
    return int(text)


def _face_limit(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a number of faces, 1 or more")
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
    parser.add_argument(
        "photos", nargs="+", type=named, metavar="PHOTO", help="image files, or folders of them"
    )
    parser.add_argument(
        "-o", "--out", required=True, type=named, metavar="OUT", help="folder for the results (is created)"
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
        "--expression-names",
        choices=("arkit", "ict"),
        default="arkit",
        help="how these are called: eyeBlinkLeft (arkit, the default) or eyeBlink_L (ict, as in ICT-FaceKit)",
    )
    parser.add_argument(
        "--detail",
        choices=_DETAILS,
        default="normal",
        help="how the mesh files show wrinkles and folds: by a normal map (normal, the default), by the geometry "
        "of a dense mesh (mesh), or not (none)",
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
        "--max-faces",
        type=_face_limit,
        default=20,
        metavar="N",
        help="at most the N largest faces of a photo (default: 20); how many are left out is said",
    )
    parser.add_argument(
        "--same-person",
        action="store_true",
        help="all photos show one person: one shape is fitted to all of them (of each photo, its largest face)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="skip photos whose finished result is in OUT: same content, options and version of wholeface",
    )
    parser.add_argument(
        "--model",
        type=named,
        default="wholeface",
        metavar="FILE",
        help="another face model (see docs/models.md)",
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
        type=path_of,
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
    parser.add_argument(
        "--max-pixels",
        type=_pixels,
        metavar="N",
        help="refuse photos with more pixels (default: 200M; a large photo takes about 20 bytes of memory a pixel)",
    )
    parser.add_argument(
        "--fast",
        action="store_true",
        help="skip the photometric refinement: the shape stays as the landmarks have it, the tone is a rough one",
    )
    parser.add_argument(
        "--remove",
        choices=("auto", "glasses", "all", "none"),
        default="auto",
        help="what deoccluded.png is to be without: auto (everything but hair and hats), glasses, all, none; "
        "the head is complete in any case",
    )
    parser.add_argument("--json", action="store_true", help="one JSON line per photo on standard output")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from .batch import run_batch

    return run_batch(options)
