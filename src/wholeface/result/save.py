"""What `Reconstruction.save` writes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.threads import one_thread
from ..export import PROVENANCE_COLOURS, encode_png, write_glb, write_json, write_obj, write_ply, write_png
from ..export._files import write_file
from ..morphable.expression_names import check_naming
from .files import RECORD, belongs_to_a_result
from .record import face_record
from .relief import check_detail, displacement_image
from .swap import replaced_whole

if TYPE_CHECKING:
    from ..export import Mesh
    from .reconstruction import Reconstruction

__all__ = ["save"]

_WRITERS = ("glb", "obj", "ply")


@one_thread()
def save(
    face: Reconstruction,
    folder: Path,
    *,
    formats: tuple[str, ...],
    expressions: bool,
    expression_names: str = "arkit",
    detail: str = "normal",
    options: Mapping[str, Any] | None = None,
) -> Path:
    """See :meth:`wholeface.Reconstruction.save`."""
    unknown = [name for name in formats if name not in _WRITERS]
    if unknown:
        raise UsageError(f"unknown format {unknown[0]!r}; choose from {', '.join(_WRITERS)}")
    check_naming(expression_names)
    check_detail(detail)
    mesh = face.mesh(detail=detail)
    # Compression leaves the interpreter lock, so files are written while the next image is rendered.
    with (
        replaced_whole(folder, own=belongs_to_a_result, record=RECORD) as new,
        ThreadPoolExecutor(2) as pool,
    ):
        jobs: list[Future[Any]] = []

        def image(name: str, pixels: NDArray[Any], **settings: Any) -> None:
            jobs.append(pool.submit(write_png, new / f"{name}.png", pixels, **settings))

        shown = None
        if "glb" in formats:
            shown = mesh
            if expressions:
                shown = face.mesh(expressions=True, expression_names=expression_names, detail=detail)
        jobs.append(pool.submit(_write_textured, face, new, shown, expressions))
        if "obj" in formats:
            jobs.append(pool.submit(write_obj, new / "face.obj", mesh))
        if "ply" in formats:
            jobs.append(pool.submit(write_ply, new / "face.ply", mesh))
        image("occluder", np.where(face.occluder > 0.5, np.uint8(255), np.uint8(0)))
        image("face_region", np.where(face.face_region, np.uint8(255), np.uint8(0)))
        if face.spectacles is not None:
            lens = np.zeros(face.occluder.shape, np.uint8)
            lens[face.spectacles.slices] = np.where(
                face.spectacles.lens_patch.values > 0.5, np.uint8(255), np.uint8(0)
            )
            image("lens", lens)
        if face.relief is not None and face.relief.displacement.ndim == 2:
            image("displacement", displacement_image(face.relief))
            image("relief_provenance", face.relief.provenance, palette=PROVENANCE_COLOURS)
        image("preview", face.preview)  # makes the photo without the occluder, too
        image("deoccluded", face.deoccluded)
        for job in jobs:
            job.result()  # raises what the writer raised
        files = tuple(sorted([RECORD, *(p.name for p in new.iterdir())]))
        saved = {
            "formats": formats,
            "expressions": expressions,
            "expression_names": expression_names,
            "detail": detail,
        }
        write_json(new / RECORD, face_record(face, options={**(options or {}), **saved}, files=files))
    return folder


def _write_textured(face: Reconstruction, folder: Path, mesh: Mesh | None, expressions: bool) -> None:
    """The maps as images and, of the same compressed bytes, the GLB file of a mesh, if there is one."""
    maps = {}
    if not face.completed.per_vertex:  # else they are in the mesh files alone
        maps["texture"] = encode_png(face.completed.texture)
        maps["provenance"] = encode_png(face.completed.provenance, palette=PROVENANCE_COLOURS)
    for name, data in maps.items():
        write_file(folder / f"{name}.png", data)
    if mesh is not None:
        write_glb(folder / "face.glb", mesh, morph_targets=expressions, encoded=maps)
