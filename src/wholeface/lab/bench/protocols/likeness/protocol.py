"""Likeness: is a person still recognised in what was made of their photo?

Each person's neutral photo, clean and behind occluders that were never trained on, is reconstructed. A public
face-recognition network (:mod:`...heads.face_embedding`), on which nothing here was ever trained, then looks for the
person among the *smiling* photos of everybody:

- rank-1 and rank-5: the right one is the most similar, or among the five most similar (ties: by coins);
- AUC: area under the ROC curve over all pairs of a probe and a smiling photo.

Probes are the photo itself (clean: what can be reached at all; occluded: what a reconstruction must beat), the
textured head in the photo's pose and light over grey, the same over the photo (with its hair), the head from the
front in studio light, the photo without the occluder, and the mean face under the light of the photo, which knows
skin tone at most. ``shape alone`` compares shape coefficients with those of the smiling photos by their cosine,
without any picture.

Where the face is, for the network's alignment, is found on the clean photo; everything in its frame shares this box.
A photo that could not be reconstructed is not recognised, and not left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from .....core.errors import UsageError, WholeFaceError
from ...heads.face_embedding import PACKAGES, Box, DlibEmbedder, FaceEmbedder
from ...metrics.identification import cosines, nearness
from ...protocol import Missing, Protocol, Report, RunOptions
from ...sets.identity_occluders import photo_sample
from ...sets.likeness import CLEAN, OccludedPhotos, open_people
from ...systems.own import Shared
from .found import Found, group_table, likeness_csv, main_table, not_identified
from .kept import KeptPictures
from .pictures import DEOCCLUDED, FRONT, HEAD, INTO_PHOTO, MEAN, Pictures, pictures_of
from .sheet import face_tile, sheet

if TYPE_CHECKING:
    from .....reconstructor import Reconstructor

__all__ = ["PROTOCOL", "run"]

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]

PHOTO, SHAPE = "photo itself", "shape alone"
_PICTURED = (PHOTO, MEAN, HEAD, INTO_PHOTO, FRONT, DEOCCLUDED)
_KINDS = ("sunglasses", "hands", "masks", "objects")
_QUICK_PEOPLE, _QUICK_KINDS = 4, ("sunglasses",)
_SHOWN = 40  # rows of the sheet


def run(
    options: RunOptions,
    *,
    occluders: str | None = None,
    relief: bool = True,
    work: Path | None = None,
    reconstructor: Reconstructor | None = None,
    embedder: FaceEmbedder | None = None,
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data``: the folder of the photos, or of the source material; ``count``: people at most.
        occluders: kinds between commas; None takes the usual four, or one where it should be quick.
        relief: of the heads; without it the texture keeps the shading of folds.
        work: folder in which pictures of reconstructions are kept, see :class:`KeptPictures`.
        reconstructor: to measure instead of the shipped one.
        embedder: the measuring device instead of the usual one.

    Raises:
        UsageError: a package is missing, or an unknown occluder.
        DataError: the folder has another layout.
    """
    from .....photo import read_photo
    from .....reconstructor import Reconstructor

    if options.data is None:
        raise UsageError("bench likeness has no set of its own: name the folder of the photos with --data")
    kinds = _kinds(occluders, options)
    count = options.count or (_QUICK_PEOPLE if options.quick else None)
    people, root = open_people(options.data, count)
    occluded = OccludedPhotos(root, options.seed, options.designs)
    occluded.check(kinds)
    embedder = DlibEmbedder() if embedder is None else embedder
    kept = work if relief or work is None else work / "without_relief"
    head = Reconstructor(relief=relief) if reconstructor is None else reconstructor
    found = Found(people, (CLEAN, *kinds))
    measuring = _Measuring(found, embedder, KeptPictures(kept), lambda pixels: pictures_of(head(pixels)))
    shared = Shared(head.model, head.detector)
    for number, person in enumerate(people):
        measuring.gallery(number, read_photo(person.gallery).pixels)
    for number, person in enumerate(people):
        pixels = read_photo(person.probe).pixels
        measuring.probe(number, CLEAN, pixels, embedder.find(pixels))
        _occlude(measuring, number, pixels, kinds, occluded, shared)
    measuring.finish()
    notes = [
        f"{len(people)} people; each probe among the smiling photos of all; chance is rank-1 {1 / len(people):.1%}",
        f"judged by {embedder.name}; shape alone: cosine of the coefficients",
        "±: 95 % bootstrap half-width over people; 0 where nobody, or everybody, failed",
    ]
    table, metrics = main_table(found, options.seed, notes)
    groups, more = group_table(found)
    return Report(
        tables=[table, groups],
        metrics=[*metrics, *more],
        images=measuring.sheets(),
        missing=found.missing,
        settings={
            "people": len(people),
            "occluders": list(kinds),
            "designs": options.designs,
            "drawn": root is None,
            "seed": options.seed,
            "measured by": embedder.name,
            "relief": relief,
            "hidden share": {kind: float(np.mean(v)) for kind, v in found.hidden.items()},
        },
        files={"likeness.csv": likeness_csv(found)},
    )


def _kinds(occluders: str | None, options: RunOptions) -> tuple[str, ...]:
    if occluders is None:
        return _QUICK_KINDS if options.quick else _KINDS
    kinds = tuple(dict.fromkeys(part for name in occluders.split(",") if (part := name.strip())))
    if not kinds or CLEAN in kinds:
        raise UsageError(f"--occluders {occluders!r}: kinds between commas, e.g. {','.join(_KINDS)}")
    return kinds


def _occlude(
    measuring: _Measuring,
    number: int,
    pixels: Pixels,
    kinds: Sequence[str],
    occluded: OccludedPhotos,
    shared: Shared,
) -> None:
    """One person's photo behind each kind of occluder."""
    found, person = measuring.found, measuring.found.people[number]
    height, width = pixels.shape[:2]
    box = measuring.boxes.get(number)
    try:
        sample = photo_sample(pixels, shared)
    except WholeFaceError as error:
        found.missing += [Missing(f"{person.name}, {kind}", "", f"no occluder: {error}") for kind in kinds]
        return
    for kind in kinds:
        try:
            behind, design = occluded(sample, kind, person.name)
        except WholeFaceError as error:
            found.missing.append(Missing(f"{person.name}, {kind}", "", str(error)))
            continue
        found.designs[kind, person.name] = design
        found.hidden.setdefault(kind, []).append(float(behind.hidden.sum() / behind.face.sum()))
        measuring.probe(number, kind, np.ascontiguousarray(behind.image[:height, :width]), box)


class _Measuring:
    """Collects vectors photo by photo, then compares all with all."""

    def __init__(
        self,
        found: Found,
        embedder: FaceEmbedder,
        kept: KeptPictures,
        reconstruct: Callable[[Pixels], Pictures],
    ) -> None:
        self.found = found
        self.boxes: dict[int, Box | None] = {}
        self._embedder, self._kept, self._reconstruct = embedder, kept, reconstruct
        self._vectors: dict[tuple[str, str, int], Array] = {}
        self._gallery: dict[tuple[str, int], Array] = {}
        self._tiles: dict[tuple[str, int], list[Pixels]] = {}
        self._gallery_tiles: dict[int, Pixels] = {}

    def gallery(self, number: int, pixels: Pixels) -> None:
        """The photo by which somebody should be recognised."""
        name = f"{self.found.people[number].name}, gallery"
        box = self._embedder.find(pixels)
        self._gallery_tiles[number] = face_tile(pixels, box)
        if box is None:
            self.found.missing.append(Missing(name, "", "the face-recognition network finds no face"))
        else:
            self._gallery[PHOTO, number] = self._embedder.embed(pixels, box)
        pictures = self._pictures(name, pixels)
        if pictures is not None:
            self._gallery[SHAPE, number] = pictures.identity

    def probe(self, number: int, condition: str, pixels: Pixels, box: Box | None) -> None:
        """A photo that is reconstructed, and everything that is to be recognised of it."""
        self.boxes[number] = box
        name = f"{self.found.people[number].name}, {condition}"
        pictures = self._pictures(name, pixels)
        images: Mapping[str, Pixels] = {PHOTO: pixels}
        if pictures is not None:
            images = {PHOTO: pixels, **pictures.images}
            self._vectors[SHAPE, condition, number] = pictures.identity
        tiles = []
        for what, image in images.items():
            place = self._embedder.find(image) if what == FRONT else box
            tiles.append(face_tile(image, place))
            if place is None:
                reason = "the face-recognition network finds no face"
                self.found.missing.append(Missing(name, what, reason))
                continue
            self._vectors[what, condition, number] = self._embedder.embed(image, place)
        self._tiles[condition, number] = tiles

    def finish(self) -> None:
        """Compare every probe with the whole gallery."""
        faces, shapes = self._stack(self._gallery, PHOTO), self._stack(self._gallery, SHAPE)
        for condition in self.found.conditions:
            for what in (*_PICTURED, SHAPE):
                own = {(what, n): v for (w, c, n), v in self._vectors.items() if (w, c) == (what, condition)}
                probes = self._stack(own, what)
                gallery, compare = (shapes, cosines) if what == SHAPE else (faces, nearness)
                size = max(probes.shape[1], gallery.shape[1])  # where nobody has a vector there is no size
                self.found.scores[what, condition] = compare(_wide(probes, size), _wide(gallery, size))

    def sheets(self) -> dict[str, Pixels]:
        """Whom the head was not recognised as; empty where there is nobody."""
        rows = []
        for condition, number, other in not_identified(self.found, HEAD)[:_SHOWN]:
            tiles = self._tiles.get((condition, number))
            if tiles is None or len(tiles) < len(_PICTURED):
                continue
            blank = np.full_like(tiles[0], 255)
            taken = self._gallery_tiles[other] if other >= 0 else blank
            rows.append([*tiles, self._gallery_tiles[number], taken])
        return {"likeness_not_recognised": sheet(rows)} if rows else {}

    def _pictures(self, name: str, pixels: Pixels) -> Pictures | None:
        try:
            return self._kept(pixels, lambda: self._reconstruct(pixels))
        except WholeFaceError as error:
            self.found.missing.append(Missing(name, "", str(error).removeprefix("<array>: ")))
            return None

    def _stack(self, vectors: Mapping[tuple[str, int], Array], what: str) -> Array:
        """(P, K), rows of NaN where somebody has none."""
        size = max((len(v) for (w, _), v in vectors.items() if w == what), default=1)
        out = np.full((len(self.found.people), size), np.nan)
        for (kind, number), vector in vectors.items():
            if kind == what:
                out[number] = vector
        return out


def _wide(rows: Array, size: int) -> Array:
    return rows if rows.shape[1] == size else np.full((len(rows), size), np.nan)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--occluders", metavar="LIST", help=f"kinds between commas (default: {','.join(_KINDS)})"
    )
    parser.add_argument(
        "--no-relief",
        dest="relief",
        action="store_false",
        help="heads without wrinkles and folds, to compare",
    )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        help="keep pictures of reconstructions there, and take them from there where code and weights are the same",
    )


PROTOCOL = Protocol(
    name="likeness",
    title="Likeness by face recognition",
    summary="is a person still recognised in the head, the deoccluded photo, the shape? rank-1, rank-5, AUC by group",
    source="",
    run=run,
    add_arguments=_arguments,
    needs_data=True,
    material=".",
    packages=PACKAGES,
)
