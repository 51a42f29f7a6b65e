"""The images of the docs, made from those that packages ship: ``python -m wholeface.lab.bench.report.images``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError, WholeFaceError

__all__ = ["main", "portraits"]


def portraits() -> dict[str, NDArray[np.uint8]]:
    """Name -> pixels: matplotlib's Grace Hopper (US Navy, public domain).

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib import cbook
    except ImportError:
        raise UsageError("matplotlib is needed for its example image: pip install matplotlib") from None
    hopper = Image.open(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))).convert("RGB")
    return {"grace_hopper": np.asarray(hopper)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write OUT/<name>.jpg, the preview of each portrait; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.bench.report.images", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/img"), help="folder to write to")
    options = parser.parse_args(arguments)
    from ....reconstructor import Reconstructor

    try:
        reconstructor = Reconstructor()
        options.out.mkdir(parents=True, exist_ok=True)
        for name, pixels in portraits().items():
            preview = reconstructor(pixels).preview
            Image.fromarray(preview).save(options.out / f"{name}.jpg", quality=88, optimize=True)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
