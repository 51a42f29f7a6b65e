"""``python -m wholeface.lab.data.vertex_colours OUT --data FOLDER``: the samples behind the texture graph network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ....core.errors import WholeFaceError
from ....morphable import load_model
from ....stages import Tools
from .build import build_colours
from .photos import colour_photos

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.data.vertex_colours", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the store")
    parser.add_argument("--data", type=Path, required=True, help="folder of source material")
    parser.add_argument(
        "--parts", type=int, default=3, help="hidden parts of each photo, one sample each (default: 3)"
    )
    parser.add_argument("--count", type=int, help="photos at most, spread over the list")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    try:
        photos = colour_photos(options.data)
        if options.count is not None and options.count < len(photos):
            photos = [photos[i * len(photos) // options.count] for i in range(options.count)]
        tools = Tools(load_model("wholeface"))
        count = build_colours(
            options.out, photos, tools, parts=options.parts, seed=options.seed,
            progress=lambda line: print(line, flush=True),
        )  # fmt: skip
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{count} samples in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
