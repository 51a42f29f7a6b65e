"""Make a store of composites: ``python -m wholeface.lab.data.deocclusion --data ../shared/data -o STORE``.

With ``--samples`` it is a store of face samples, as the recipes ``parsing_guided`` and ``eyeglasses`` read it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from ....core.errors import WholeFaceError
from ..stores.fields import STANDARD_FIELDS
from ..stores.store import SampleStore, build_store
from .composites import WEIGHTS, Composites
from .samples import CompositeSamples
from .store import DeocclusionStore, build_deocclusion_store
from .subjects import SubjectSplit, clean_photos

_SPECTACLES = {"glasses": 0.65, "sunglasses": 0.35}
_FIELDS = (*STANDARD_FIELDS, "eyewear")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.deocclusion", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of source material")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="STORE", help="folder of the store")
    parser.add_argument("--split", choices=get_args(SubjectSplit), default="train", help="which subjects")
    parser.add_argument("--designs", choices=("train", "held_out"), default="train", help="which occluders")
    parser.add_argument("--count", type=int, default=4000, help="samples (default: 4000)")
    parser.add_argument("--size", type=int, default=192, help="edge of the maps in pixels (default: 192)")
    parser.add_argument("--seed", type=int, default=0, help="names the series")
    parser.add_argument(
        "--samples",
        action="store_true",
        help="face samples with parsing maps, not the compact generator's maps",
    )
    parser.add_argument(
        "--spectacles", action="store_true", help="every sample wears spectacles, a third of them sunglasses"
    )
    parser.add_argument(
        "--refine",
        action="store_true",
        help="fit the clean photos by their pixels, too, so that samples know all parameters of the face, as the "
        "recipe distilled needs them",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    options = parser.parse_args(arguments)

    def progress(finished: int, count: int) -> None:
        print(f"{finished} of {count}", file=sys.stderr, flush=True)

    try:
        composites = Composites(
            clean_photos(options.data, options.split), options.data,
            seed=options.seed, size=options.size, designs=options.designs,
            weights=_SPECTACLES if options.spectacles else WEIGHTS, refine=options.refine,
        )  # fmt: skip
        store: DeocclusionStore | SampleStore
        if options.samples:
            samples = CompositeSamples(composites, size=options.size)
            store = build_store(
                samples, range(options.count), options.out, workers=options.workers, fields=_FIELDS,
                progress=progress,
            )  # fmt: skip
        else:
            store = build_deocclusion_store(
                options.out, composites, options.count, workers=options.workers, progress=progress
            )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {len(store)} samples")
    return 0


if __name__ == "__main__":
    sys.exit(main())
