"""Clean faces, and the same faces behind held-out occluders of a chosen kind and size."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import NoFaceError, UsageError, WholeFaceError
from ..protocol import Missing, RunOptions

if TYPE_CHECKING:
    from ....reconstructor import Reconstructor
    from ...data import FaceSample
    from ...data.compositing.layer import Layer, Split
    from ...data.occluders import OccluderLibrary

__all__ = [
    "KINDS",
    "PIXELS",
    "CleanFace",
    "Occlude",
    "OccludedFace",
    "add_occluders",
    "chosen_kinds",
    "clean_faces",
    "photo_faces",
    "photo_files",
    "rendered_faces",
    "scaled_layer",
    "words",
]

KINDS = ("sunglasses", "glasses", "hair", "hands", "hats", "masks", "scarves", "objects", "patches")
PIXELS = "pixels"
"""A rectangle of arbitrary pixel values, what the distillation protocols hide faces with."""

_SEED = 9_300  # of the built-in faces: a series of its own
_SIZE = 256
_TURNED = 40.0  # degrees of yaw, of rendered faces
_ATTEMPTS = 6
_LEAST = 0.02  # share of the face from which something hides it at all
_CLEAN_UP_TO = 0.12  # share that may be occluded in a photo that counts as clean
_MARGIN = 1.72  # edge of the crop over the longer side of the face: 0.58 of it is face
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class CleanFace:
    """A face with nothing in front of it.

    Args:
        name: for tables; the person, too.
        sample: image, outline, landmarks, pose.
        camera: seed of the camera's effects, the same for all images of this face; None = none.
    """

    name: str
    sample: FaceSample
    camera: tuple[int, ...] | None

    def photographed(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(S, S, 3) an image as this face's camera takes it."""
        from ...data.compositing.camera_effects import apply_camera

        if self.camera is None:
            return image
        return apply_camera(image, image, np.random.default_rng(self.camera), 0.5)[0]


@dataclass(frozen=True)
class OccludedFace:
    """A face behind something.

    Args:
        image: (S, S, 3) uint8 sRGB.
        hidden: (S, S) bool, the face is there but not seen.
        share: of the face's pixels that are hidden.
        what: name of the item that hides it.
    """

    image: NDArray[np.uint8]
    hidden: NDArray[np.bool_]
    share: float
    what: str


class Occlude:
    """Lays held-out occluders over clean faces; from seed, face and kind alone.

    Args:
        root: folder of source material with ``occluders/``, or None: everything procedural.
        seed: of the choices.
        designs: that are laid over faces; ``held_out`` ones are never trained on.
    """

    def __init__(self, root: Path | None, seed: int, designs: Split = "held_out") -> None:
        from ...data.occluders import OccluderLibrary

        self._library: OccluderLibrary = OccluderLibrary(root, designs)
        self._seed = seed

    def __call__(self, face: CleanFace, kind: str, share: float | None = None) -> OccludedFace:
        """The face behind an occluder of that kind.

        Args:
            face: clean.
            kind: of :data:`KINDS`, or :data:`PIXELS`.
            share: of the face to hide: the occluder grows or shrinks about the middle of what it hides, the same one
                for all shares. None = as it comes.

        Raises:
            UsageError: nothing of that kind fits this face, or hides about as much of it (within a quarter).
        """
        from ...data.compositing.compose import apply_layer

        seed = [self._seed, *face.sample.seed, *kind.encode()]
        for attempt in range(_ATTEMPTS):
            layer = self._layer(face.sample, kind, np.random.default_rng([*seed, attempt]))
            if layer is None or _share(layer.rgba[..., 3], face.sample.face) < _LEAST:
                continue
            if share is not None:
                layer = scaled_layer(layer, face.sample.face, share)
            if kind == PIXELS:  # written into the photo, by no camera
                inside = layer.rgba[..., 3] > 127
                image = face.photographed(face.sample.clean).copy()
                image[inside] = layer.rgba[inside, :3]
                hidden = inside & face.sample.face
            else:
                done = apply_layer(face.sample, layer, np.random.default_rng([*seed, 99]))
                image, hidden = face.photographed(done.image), np.asarray(done.hidden)
            occluded = float(hidden.sum() / face.sample.face.sum())
            if share is None or abs(occluded - share) <= 0.25 * share:
                return OccludedFace(image, hidden, occluded, layer.name)
        wanted = "" if share is None else f" that hides about {share:.0%} of it"
        raise UsageError(f"nothing of the kind {kind!r} fits this face{wanted}")

    def _layer(self, sample: FaceSample, kind: str, rng: np.random.Generator) -> Layer | None:
        return (
            _pixels(sample, rng)
            if kind == PIXELS
            else self._library.source(kind).layer(sample, rng, self._library.split)
        )


def _share(alpha: NDArray[np.uint8], face: NDArray[np.bool_]) -> float:
    return float((alpha > 127)[face].mean())


def _pixels(sample: FaceSample, rng: np.random.Generator) -> Layer:
    """A rectangle of independent random bytes somewhere on the face."""
    from ....perceive import OccluderKind, ParsingClass
    from ...data.compositing.layer import Layer

    size = sample.size
    rows, columns = np.nonzero(sample.face)
    extent = np.array([np.ptp(columns) + 1, np.ptp(rows) + 1])
    half = 0.5 * extent * rng.uniform(0.25, 0.7, 2)
    at = int(rng.integers(len(rows)))
    middle = np.array([columns[at], rows[at]])
    x0, y0 = np.maximum(np.rint(middle - half), 0).astype(int)
    x1, y1 = np.minimum(np.rint(middle + half) + 1, size).astype(int)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[..., :3] = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    rgba[y0:y1, x0:x1, 3] = 255
    return Layer(rgba, OccluderKind.PATCH, ParsingClass.OBJECT, "pixels", shadow=0.0, height=1.0)


def scaled_layer(layer: Layer, face: NDArray[np.bool_], share: float) -> Layer:
    """The layer grown or shrunk about the middle of what it hides, until it hides that share of the face.

    Args:
        layer: of the face's size; it must hide some of it.
        face: (S, S) bool.
        share: of the face's pixels, in (0, 1); as near to it as a factor between 0.1 and 8 comes.
    """
    rows, columns = np.nonzero(face)
    inside = (layer.rgba[..., 3] > 127) & face
    middle = np.array([np.nonzero(inside)[k].mean() for k in (1, 0)])
    alpha, size = layer.rgba[..., 3] > 127, len(face)

    def hides(factor: float) -> float:
        x = np.rint(middle[0] + (columns - middle[0]) / factor).astype(np.int64)
        y = np.rint(middle[1] + (rows - middle[1]) / factor).astype(np.int64)
        there = (x >= 0) & (x < size) & (y >= 0) & (y < size)
        found = np.zeros(len(x), dtype=bool)
        found[there] = alpha[y[there], x[there]]
        return float(found.mean())

    factors = np.geomspace(0.1, 8.0, 90)
    factor = float(factors[int(np.argmin([abs(hides(f) - share) for f in factors]))])
    changes: dict[str, Any] = {"rgba": _zoomed(layer.rgba, middle, factor, smooth=True)}
    if layer.parsing_map is not None:
        changes["parsing_map"] = _zoomed(layer.parsing_map, middle, factor, smooth=False)
    return replace(layer, **changes)


def _zoomed(pixels: NDArray[np.uint8], middle: NDArray[np.float64], factor: float, *, smooth: bool) -> Any:
    from PIL import Image

    image = Image.fromarray(pixels)
    # Pillow maps the target's pixel corners to the source's
    shift = (middle + 0.5) * (1 - 1 / factor)
    data = (1 / factor, 0.0, float(shift[0]), 0.0, 1 / factor, float(shift[1]))
    resample = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
    source = image.convert("RGBa") if smooth else image  # premultiplied, or else edges take on hidden colours
    moved = source.transform(image.size, Image.Transform.AFFINE, data, resample=resample)
    return np.array(moved.convert("RGBA") if smooth else moved)


def rendered_faces(count: int, seed: int) -> Iterator[CleanFace]:
    """Rendered subjects who are never trained on, with nothing in front of them, not even hair.

    Turned by at most 40 degrees: occluders are made for faces of which both halves can be seen.
    """
    import torch

    from ....render import pose_degrees
    from ...data.engine import EngineSettings, FaceEngine

    settings = EngineSettings(portraits=0.0, clean=1.0, hair=0.0, camera=0.0)
    engine = FaceEngine(None, seed=_SEED + seed, size=_SIZE, split="test", settings=settings)
    made = 0
    for i in range(20 * count):
        sample = engine.sample(i)
        yaw = float(pose_degrees(torch.from_numpy(sample.parameters["rotation"]))[0])
        if abs(yaw) > _TURNED:
            continue
        made += 1
        yield CleanFace(f"rendered {i}", sample, (*sample.seed, 7))
        if made == count:
            return


def photo_files(folder: Path, limit: int | None) -> list[Path]:
    """Images of a folder, those left out that its ``index.json`` calls occluded (as of the portraits).

    Raises:
        UsageError: no such folder, or no images.
    """
    if not folder.is_dir():
        raise UsageError(
            f"--data {folder}: no such folder; expected one with photos of faces that nothing occludes"
        )
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not files:
        raise UsageError(f"--data {folder}: holds no photos ({', '.join(_SUFFIXES)})")
    if (folder / "index.json").is_file():
        flags = ("glasses", "hair_over_face", "other_occluder", "discoloured")
        listed = json.loads((folder / "index.json").read_text())
        occluded = {row.get("file") for row in listed if any(row.get(flag) for flag in flags)}
        files = [path for path in files if path.name not in occluded]
    if limit is not None and limit < len(files):
        files = [files[int(i)] for i in np.unique(np.linspace(0, len(files) - 1, limit).astype(np.int64))]
    return files


def photo_faces(
    files: Sequence[Path], reconstructor: Reconstructor
) -> Iterator[tuple[Path, CleanFace | WholeFaceError]]:
    """The largest face of each photo as a clean face, or why it is none.

    Outline, landmarks and pose, which say where to put occluders, are those of our own reconstruction of the photo.
    """
    for number, path in enumerate(files):
        try:
            yield path, _from_photo(path, number, reconstructor)
        except WholeFaceError as error:
            yield path, error


def _from_photo(path: Path, number: int, reconstructor: Reconstructor) -> CleanFace:
    import torch

    from ....morphable import dense_embedding
    from ....perceive import ParsingClass
    from ....photo import read_photo, similarity_crop
    from ....render import rotation_matrix, to_camera
    from ...data import FaceSample

    photo = read_photo(path)
    found = reconstructor.detector.detect(photo.pixels)
    if not found:
        raise NoFaceError("no face found")
    box = found[0].box
    side = float(max(box[2:] - box[:2]))
    middle = (box[:2] + box[2:]) / 2
    square = [*(middle - side / 2), *(middle + side / 2)]
    crop, _ = similarity_crop(photo.pixels, square, (_SIZE, _SIZE), margin=_MARGIN, fill="edge")
    head = reconstructor(crop)
    if head.hidden_fraction > _CLEAN_UP_TO:
        raise UsageError(f"{head.hidden_fraction:.0%} of the face seem occluded already")
    model, p = head.model, head.parameters
    assert model.landmarks_68 is not None
    with torch.no_grad():
        shape = model.vertices(p.identity, p.expression)
        points = [
            head.camera.project(
                to_camera(e.points(shape, model.triangles), rotation_matrix(p.rotation), p.translation)
            ).numpy()
            for e in (model.landmarks_68, dense_embedding(model))
        ]
    parsing = np.where(head.face_region, np.uint8(ParsingClass.SKIN), np.uint8(ParsingClass.BACKGROUND))
    dense = head.landmarks.points_478
    if reconstructor.parser is not None and dense is not None:
        parsing = reconstructor.parser.parse(crop, dense).labels_in_photo(_SIZE, _SIZE)
    sample = FaceSample(
        image=crop,
        clean=crop,
        parsing=parsing,
        occluder=np.zeros((_SIZE, _SIZE), np.uint8),
        face=head.face_region,
        landmarks_68=points[0].astype(np.float32),
        facing_68=np.ones(68, bool),
        dense=points[1].astype(np.float32),
        facing_dense=np.ones(len(points[1]), bool),
        known=frozenset({"landmarks"}),
        parameters={
            "rotation": p.rotation.numpy().astype(np.float32),
            "translation": p.translation.numpy().astype(np.float32),
            "focal": np.array(float(head.camera.focal), np.float32),
            "cx": np.array(float(head.camera.cx), np.float32),
            "cy": np.array(float(head.camera.cy), np.float32),
        },
        depth=None,
        normals=None,
        source=path.stem,
        seed=(number,),
    )
    return CleanFace(path.name, sample, None)


def clean_faces(
    options: RunOptions,
    usual: tuple[int, int, int],
    reconstructor: Reconstructor | None,
    missing: list[Missing],
) -> Iterator[CleanFace]:
    """The faces of a protocol: rendered ones, or those of the folder ``data``.

    Args:
        options: of the run.
        usual: how many where nobody says: when it should be quick, rendered, photos.
        reconstructor: finds the faces of photos; not needed without ``data``.
        missing: photos that cannot be used are added.
    """
    quick, rendered, photos = usual
    if options.data is None:
        yield from rendered_faces(options.count or (quick if options.quick else rendered), options.seed)
        return
    assert reconstructor is not None
    for path, face in photo_faces(
        photo_files(options.data, options.count or (quick if options.quick else photos)), reconstructor
    ):
        if isinstance(face, WholeFaceError):
            missing.append(Missing(path.name, "", str(face)))
        else:
            yield face


def chosen_kinds(kinds: Sequence[str] | None, usual: Sequence[str]) -> tuple[str, ...]:
    """The kinds of occluders that were asked for, or the usual ones.

    Raises:
        UsageError: an unknown kind.
    """
    kinds = tuple(kinds or usual)
    if unknown := sorted(set(kinds) - {*KINDS, PIXELS}):
        raise UsageError(f"--kinds {','.join(unknown)}: choose from {', '.join((PIXELS, *KINDS))}")
    return kinds


def words(text: str) -> list[str]:
    """What stands between commas, for the options of protocols."""
    return [word.strip() for word in text.split(",") if word.strip()]


def add_occluders(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what is laid over faces: ``--kinds`` and ``--occluders``."""
    parser.add_argument("--kinds", type=words, metavar="A,B,…", help=f"of {', '.join((PIXELS, *KINDS))}")
    parser.add_argument(
        "--occluders",
        type=Path,
        metavar="DIR",
        help="source material with occluders/ (default: all procedural)",
    )
