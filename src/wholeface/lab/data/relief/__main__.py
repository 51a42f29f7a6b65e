"""Make a store of faces for relief: ``python -m wholeface.lab.data.relief --data ../shared/data -o STORE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from ....core.errors import DataError, WholeFaceError
from ....morphable import load_model
from ....stages import Tools
from ..deocclusion.subjects import SubjectSplit
from .aged import aged_fields
from .bases import ReliefBase, base_of_rendering, base_of_state
from .faces import RenderedFaces, people_textures, smooth_photos, state_of
from .store import ReliefStoreWriter

_KINDS = ("photo", "model", "people")
_SEEDS = {"train": 0, "validation": 500_000, "test": 900_000}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.relief", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of source material")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="STORE", help="folder of the store")
    parser.add_argument("--split", choices=get_args(SubjectSplit), default="train", help="which subjects")
    parser.add_argument("--count", type=int, default=2000, help="faces at most (default: 2000)")
    parser.add_argument("--size", type=int, default=256, help="edge of the maps in pixels (default: 256)")
    parser.add_argument(
        "--kinds", nargs="+", choices=_KINDS, default=_KINDS, help="photos, or renderings with whose skin"
    )
    parser.add_argument("--seed", type=int, default=0, help="names the series")
    options = parser.parse_args(arguments)
    try:
        model = load_model("wholeface")
        tools = Tools(model=model)
        writer = ReliefStoreWriter(options.out, options.size, options.count, model.expression_names)
        try:
            writer.keep(aged_fields(model))
        except DataError as error:
            print(f"without folds of MakeHuman's old: {error}", file=sys.stderr)
        for number, base in enumerate(_faces(options, tools)):
            if number < writer.count:
                continue
            if writer.count >= options.count:
                break
            writer.add(base)
            if writer.count % 20 == 0:
                print(f"{writer.count} of {options.count}", file=sys.stderr, flush=True)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {writer.count} faces")
    return 0


def _faces(options: argparse.Namespace, tools: Tools) -> Iterator[ReliefBase]:
    """Photos first, then renderings with the model's skin and with people's in turn."""
    photos = smooth_photos(options.data, options.split)
    if "photo" in options.kinds:
        for path in photos:
            state = state_of(path, tools)
            if state is not None:
                yield base_of_state(state, options.size, path.name)
    seed = _SEEDS[options.split] + options.seed
    split: Literal["train", "test"] = "train" if options.split == "train" else "test"
    drawn = []
    if "model" in options.kinds:
        drawn.append(RenderedFaces(options.data, seed=seed, split=split))
    if "people" in options.kinds:
        textures = people_textures(photos, tools)
        drawn.append(RenderedFaces(options.data, textures, seed=seed, split=split))
    index = 0
    while drawn:
        for faces in drawn:
            base = base_of_rendering(faces[index], tools, options.size)
            if base is not None:
                yield base
        index += 1


if __name__ == "__main__":
    sys.exit(main())
