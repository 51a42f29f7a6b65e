"""One sample as a folder of images that any viewer opens."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ....core.errors import OutputError
from ....export import write_png
from ....export._files import write_file
from ._labels_json import labels_json
from .contact_sheet import OCCLUDER_COLOURS, PARSING_COLOURS
from .sample import FaceSample

__all__ = ["write_sample"]


def write_sample(sample: FaceSample, folder: str | os.PathLike[str], *, geometry: bool = False) -> Path:
    """Writes one sample.

    ``photo.png``, ``clean.png`` (the same without occluders), ``face.png`` (255 = the face, hidden parts included),
    ``parsing.png`` and ``occluder.png`` (viewers show colours, readers of the indices see :class:`ParsingClass` and
    :class:`OccluderKind`), ``labels.json`` (points and their visibility, parameters, source, seed) and, with
    ``geometry``, ``depth.npy`` (mm, inf = background) and ``normals.npy`` where the sample has them.

    Args:
        sample: the sample.
        folder: is created; files of these names are replaced.
        geometry: write depth and normals.

    Returns:
        The folder.

    Raises:
        OutputError: a file cannot be written.
    """
    out = Path(folder)
    write_png(out / "photo.png", sample.image)
    write_png(out / "clean.png", sample.clean)
    write_png(out / "face.png", sample.face)
    write_png(out / "parsing.png", sample.parsing, palette=PARSING_COLOURS)
    write_png(out / "occluder.png", sample.occluder, palette=OCCLUDER_COLOURS)
    write_file(out / "labels.json", labels_json(sample) + b"\n")
    for name in ("depth", "normals") if geometry else ():
        array = getattr(sample, name)
        if array is not None:
            try:
                np.save(out / f"{name}.npy", array, allow_pickle=False)
            except OSError as error:
                raise OutputError(f"cannot write {out / name}.npy: {error.strerror or error}") from error
    return out
