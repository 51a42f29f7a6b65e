"""A store of composites as photos: ``python -m wholeface.lab.data.deocclusion.as_photos STORE -o PHOTOS``.

For whatever reads folders of photos: the recipe ``focus``, and with ``--masks``, which writes the true masks beside
them, ``wholeface bench occluders`` and ``wholeface bench segmentation``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ....core.errors import WholeFaceError
from ....perceive import EyewearPart
from .store import DeocclusionStore

__all__ = ["main", "write_photos"]


def write_photos(
    store: DeocclusionStore, folder: Path, *, masks: bool, clean: int = 0, most: int | None = None
) -> int:
    """Write ``<row>.png``, and with masks ``<row>_face.png`` and ``<row>_occluder.png``.

    The occluder's mask holds all that hides the face: of spectacles the frames and dark lenses, not the clear ones.

    Args:
        store: of composites.
        folder: made where it is missing.
        masks: write them, too.
        clean: write every so many-th photo without its occluder besides, ``<row>_clean.png``; 0: none.
        most: of the composites, evenly from the whole store; None: all.

    Returns:
        Photos written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    count = len(store) if most is None else min(most, len(store))
    rows = np.unique(np.linspace(0, len(store) - 1, count).astype(np.int64))
    written = 0
    for number, row in enumerate(rows):
        sample = store[int(row)]
        stem = folder / f"{row:05d}"
        Image.fromarray(sample.given.image).save(stem.with_suffix(".png"))
        written += 1
        if masks:
            hidden = (sample.kind > 0) & (sample.lens != EyewearPart.CLEAR_LENS)
            for part, values in (("face", sample.face > 0), ("occluder", hidden & (sample.face > 0))):
                Image.fromarray(np.where(values, np.uint8(255), np.uint8(0))).save(f"{stem}_{part}.png")
        if clean and number % clean == 0:
            Image.fromarray(sample.clean).save(f"{stem}_clean.png")
            written += 1
    return written


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.deocclusion.as_photos", description=__doc__.splitlines()[0]
    )
    parser.add_argument("store", type=Path, help="store of composites")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="PHOTOS", help="folder of the photos"
    )
    parser.add_argument("--masks", action="store_true", help="write the true masks beside them")
    parser.add_argument(
        "--clean", type=int, default=0, metavar="N", help="write every N-th photo without its occluder, too"
    )
    parser.add_argument("--count", type=int, help="composites at most, evenly from the store (default: all)")
    options = parser.parse_args(arguments)
    try:
        written = write_photos(
            DeocclusionStore(options.store),
            options.out,
            masks=options.masks,
            clean=options.clean,
            most=options.count,
        )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {written} photos")
    return 0


if __name__ == "__main__":
    sys.exit(main())
