"""Make a store of face crops ahead of the training: ``python -m wholeface.lab.data.photo_crops PHOTOS``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ....core.errors import WholeFaceError
from .build import cached_photo_crops


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.photo_crops", description=__doc__.splitlines()[0]
    )
    parser.add_argument("photos", type=Path, help="folder of photos")
    parser.add_argument("--size", type=int, required=True, help="edge of the crops in pixels")
    parser.add_argument(
        "--margin", type=float, required=True, help="edge of a crop over the side of the face"
    )
    parser.add_argument("--cache", type=Path, help="folder of the stores (default: the user's cache)")
    options = parser.parse_args(arguments)

    def progress(finished: int, count: int, name: str) -> None:
        if finished % 50 == 0 or finished == count:
            print(f"{finished} of {count}: {name}", file=sys.stderr, flush=True)

    try:
        store = cached_photo_crops(
            options.photos, size=options.size, margin=options.margin, cache=options.cache, progress=progress
        )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{store.folder}: {len(store)} faces, {len(store.skipped)} photos without one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
