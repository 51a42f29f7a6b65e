"""``python -m wholeface.morphable.learn``: build the shipped face model from the source material."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from ...errors import WholeFaceError
from ..loaders.wholeface import SHIPPED_ASSET, read_asset, read_card
from .asset import write_asset
from .geometry import learn_geometry

_STAGES = ("geometry",)


def main(arguments: list[str] | None = None) -> int:
    """Run one stage or all of them; each writes the asset and prints what it cost.

    Args:
        arguments: command line without the program's name; None takes the process's own.

    Returns:
        Exit code: 0, or 2 with one line on standard error.
    """
    parser = argparse.ArgumentParser(prog="python -m wholeface.morphable.learn", description=main.__doc__)
    parser.add_argument(
        "--source", type=Path, default=Path("../shared/data"), help="folder of the source material"
    )
    parser.add_argument(
        "--out", type=Path, default=SHIPPED_ASSET, help="model file to write; its card lies beside it"
    )
    parser.add_argument("--stage", choices=("all", *_STAGES), default="all", help="what to (re)build")
    options = parser.parse_args(arguments)
    try:
        start = time.perf_counter()
        model, card = learn_geometry(options.source)
        card = write_asset(options.out, model, card)
        print(f"geometry: {model.vertex_count} vertices in {time.perf_counter() - start:.0f} s")
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    model, card = read_asset(options.out), read_card(options.out)
    print(json.dumps({key: value for key, value in card.items() if key != "shapes"}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
