"""Real skin for synthetic heads: whole albedo textures made from the portraits."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError
from ....morphable import MorphableModel
from ....perceive import ParsingClass
from ....render import Camera
from .landmarks import Surface478, fitted_head, make_surface
from .prepare import (
    PortraitTable,
    clean_portraits,
    default_cache,
    portraits_folder,
    prepare_portraits,
    read_arrays,
    read_portrait,
    shipped_model,
    write_arrays,
)

__all__ = ["PortraitTextures", "prepare_textures"]

Array = NDArray[Any]

TEXTURE_VERSION = 1  # raise it when textures change
_COUNT = 260
_QUALITY = 93
_LEAST_SEEN = 0.3  # share of the face's texels that the portrait shows


class PortraitTextures:
    """Albedo textures of portraits of the training split, on the shipped model's UV atlas.

    Args:
        root: folder of the portraits or one above it.
        cache: folder for what is computed once; None for the user's cache folder.
        textures: encoded images, if they are at hand.

    Raises:
        UsageError: no portraits there.
    """

    def __init__(self, root: Path, cache: Path | None = None, *, textures: list[bytes] | None = None) -> None:
        self._textures = prepare_textures(Path(root), cache) if textures is None else textures

    def __len__(self) -> int:
        return len(self._textures)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """(T, T, 3) uint8 sRGB albedo: row 0 lies at v = 1, texel centres at (i + ½) / T."""
        with Image.open(io.BytesIO(self._textures[index])) as image:
            return np.array(image.convert("RGB"))

    def sample(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """(T, T, 3) uint8 sRGB albedo of a random person, mirrored half of the time."""
        texture = self[int(rng.integers(len(self)))]
        return np.ascontiguousarray(texture[:, ::-1]) if rng.random() < 0.5 else texture


def prepare_textures(
    root: Path,
    cache: Path | None = None,
    *,
    count: int = _COUNT,
    size: int = 512,
    model: MorphableModel | None = None,
    table: PortraitTable | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[bytes]:
    """Read the cached textures, or complete those of the largest training portraits (about half a second each).

    Args:
        root: folder of the portraits.
        cache: folder for the file; None for the user's cache folder.
        count: at most so many.
        size: edge of the textures in texels.
        model: the shipped model, if it is loaded already.
        table: of :func:`prepare_portraits`, if it is at hand.
        progress: called with the number of portraits that are done, and their total.

    Returns:
        JPEG files.

    Raises:
        UsageError: no portraits there, or none that can be used.
    """
    folder = portraits_folder(root)
    model = model or shipped_model()
    table = table if table is not None else prepare_portraits(root, cache, model=model)
    points = {name: p for name, p, _ in clean_portraits(root)}
    chosen = np.flatnonzero(~table.test)
    chosen = chosen[np.argsort(-table.box[chosen, 2], kind="stable")][:count]
    digest = hashlib.sha256(f"{TEXTURE_VERSION} {size} {model.version}".encode())
    for k in chosen:
        digest.update(f"{table.names[k]} {table.box[k].tolist()}".encode())
    path = (cache or default_cache()) / f"portrait_textures_{digest.hexdigest()[:16]}.npz"
    kept = read_arrays(path)
    if kept is None:
        surface = make_surface(model)
        found = []
        for done, k in enumerate(chosen):
            texture = _texture(surface, table, int(k), folder, points[str(table.names[k])], size)
            if texture is not None:
                stream = io.BytesIO()
                Image.fromarray(texture).save(stream, "JPEG", quality=_QUALITY, subsampling=0)
                found.append(stream.getvalue())
            if progress is not None:
                progress(done + 1, len(chosen))
        if not found:
            raise UsageError(f"no texture could be made from the portraits in {folder}")
        kept = {
            "data": np.frombuffer(b"".join(found), np.uint8),
            "start": np.cumsum([0, *map(len, found)]),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(path, kept)
    start = kept["start"]
    return [kept["data"][a:b].tobytes() for a, b in pairwise(start.tolist())]


def _texture(
    surface: Surface478, table: PortraitTable, k: int, folder: Path, points: Array, size: int
) -> NDArray[np.uint8] | None:
    """The completed texture of one portrait; None where it shows too little or has no colours."""
    from ....perceive import FaceLandmarks
    from ....stages.shape import refine_photometric
    from ....stages.texture import complete_texture

    pixels = read_portrait(folder / str(table.names[k]))
    fit, vertices, plain = fitted_head(surface, points, pixels.shape[1], pixels.shape[0])
    count = surface.model.vertex_count
    shift = surface.warp[:count] @ (table.dense[k, :478] - plain[count : count + 478])
    parsing, face = table.label_map(k)
    rows = ((np.arange(pixels.shape[0]) + 0.5) * table.factor[k, 1]).astype(int)
    columns = ((np.arange(pixels.shape[1]) + 0.5) * table.factor[k, 0]).astype(int)
    rows, columns = np.minimum(rows, len(parsing) - 1), np.minimum(columns, parsing.shape[1] - 1)
    skin = np.isin(parsing, [ParsingClass.LEFT_EAR, ParsingClass.RIGHT_EAR]) | face
    hidden = (~skin[rows[:, None], columns]).astype(np.float32)
    photo, hidden = _straightened(surface.model, pixels, hidden, fit.camera, vertices, shift)
    try:
        refined = refine_photometric(photo, surface.model, fit.parameters, fit.camera, hidden < 0.5)
        parameters, camera = refined.parameters, refined.camera
        marks = FaceLandmarks.from_points(plain[count : count + 478], "mediapipe478")
        done = complete_texture(surface.model, photo, parameters, camera, hidden, size=size, landmarks=marks)
    except UsageError:
        return None
    if done.observed_fraction < _LEAST_SEEN or done.monochrome:
        return None
    return done.texture


def _straightened(
    model: MorphableModel,
    pixels: NDArray[np.uint8],
    hidden: NDArray[np.float32],
    camera: Camera,
    vertices: torch.Tensor,
    shift: Array,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The portrait as if the fitted head were exact: each of its pixels shows what lies where it ought to be."""
    from scipy.ndimage import map_coordinates

    from ....render import interpolate, rasterize

    fragments = rasterize(vertices, model.triangles, camera)
    drawn = interpolate(torch.from_numpy(shift).to(vertices), model.triangles, fragments)[0].numpy()
    row, column = np.mgrid[: pixels.shape[0], : pixels.shape[1]].astype(np.float32)
    at = np.stack([row + drawn[..., 1], column + drawn[..., 0]])
    photo = np.stack(
        [map_coordinates(pixels[..., k].astype(np.float32), at, order=3, mode="nearest") for k in range(3)],
        -1,
    )
    mask = map_coordinates(hidden, at, order=1, mode="nearest")
    return (photo + 0.5).clip(0, 255).astype(np.uint8), mask.clip(0, 1).astype(np.float32)
