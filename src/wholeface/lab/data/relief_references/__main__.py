"""Make a set of reference relief: ``python -m wholeface.lab.data.relief_references --data PHOTOS -o FILE``.

Photos of bare faces go through the method's stages (fit, mask, relief by the network); of each face its relief, its
viewpoint and an embedding are kept, and nothing else.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ....core.errors import WholeFaceError
from ....methods import MethodOptions
from ....methods.analysis import fit_and_refine
from ....morphable import load_model
from ....networks.weights import WeightCard
from ....stages import Networks, Stage, Tools
from ....stages.relief.by_network import ReliefByNetwork
from ....stages.relief.by_shading import ReliefByShading
from ....stages.relief.examples import DEFAULT_EMBEDDING
from .build import build_references, faces_of
from .photos import reference_photos

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.data.relief_references", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        required=True,
        metavar="PHOTOS",
        help="photos, folders of photos, or the folder of source material",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="FILE", help="a .safetensors file")
    parser.add_argument("--weights", type=Path, help="folder of other weights")
    parser.add_argument(
        "--shading", action="store_true", help="relief by classical shape from shading, not by the network"
    )
    parser.add_argument("--size", type=int, default=320, help="edge of the atlas in texels (default: 320)")
    parser.add_argument("--step", type=float, default=0.02, help="mm between two codes (default: 0.02)")
    parser.add_argument(
        "--least-face", type=float, default=70, help="pixels of a labelled portrait's face (default: 70)"
    )
    parser.add_argument("--version", default="1", help="of the set, for its card")
    parser.add_argument("--licence", default="unknown", help="of the photos, for its card")
    parser.add_argument("--source", action="append", default=[], help="where they are from, for its card")
    options = parser.parse_args(arguments)
    relief: Stage = ReliefByShading() if options.shading else ReliefByNetwork()
    card = WeightCard(
        name="relief_references",
        version=options.version,
        description="wrinkles and folds of many subjects on the atlas of the face, to fill hidden places from",
        licence=options.licence,
        sources=tuple(options.source),
        paper="Tran et al. 2018, Extreme 3D face reconstruction: Seeing through occlusions, CVPR, sec. 4.2",
    )
    try:
        photos = reference_photos(options.data, options.least_face)
        tools = Tools(load_model("wholeface"), Networks(weights=options.weights))
        written = build_references(
            options.out,
            photos,
            faces_of((*fit_and_refine(MethodOptions()), relief), tools),
            tools,
            DEFAULT_EMBEDDING,
            card,
            size=options.size,
            step=options.step,
            progress=lambda line: print(line, file=sys.stderr, flush=True),
        )
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {written.notes['references']} references, {options.out.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
