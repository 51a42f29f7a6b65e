"""What `Reconstruction.save` writes."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from . import __version__
from .errors import UsageError
from .export import PROVENANCE_COLOURS, write_glb, write_json, write_obj, write_ply, write_png
from .render import pose_degrees, to_camera

if TYPE_CHECKING:
    from .reconstruction import Reconstruction

FACE_JSON_SCHEMA = 1
_WRITERS = ("glb", "obj", "ply")


def save(face: Reconstruction, folder: Path, *, formats: tuple[str, ...], expressions: bool) -> Path:
    """See :meth:`wholeface.Reconstruction.save`."""
    unknown = [name for name in formats if name not in _WRITERS]
    if unknown:
        raise UsageError(f"unknown format {unknown[0]!r}; choose from {', '.join(_WRITERS)}")
    folder.mkdir(parents=True, exist_ok=True)
    mesh = face.mesh()
    # Compression leaves the interpreter lock, so files are written while the next picture is rendered.
    with ThreadPoolExecutor(2) as pool:
        jobs: list[Future[Any]] = []

        def picture(name: str, pixels: NDArray[np.uint8], **options: Any) -> None:
            jobs.append(pool.submit(write_png, folder / f"{name}.png", pixels, **options))

        if "glb" in formats:
            shown = face.mesh(expressions=True) if expressions else mesh
            jobs.append(pool.submit(write_glb, folder / "face.glb", shown, morph_targets=expressions))
        if "obj" in formats:
            jobs.append(pool.submit(write_obj, folder / "face.obj", mesh))
        if "ply" in formats:
            jobs.append(pool.submit(write_ply, folder / "face.ply", mesh))
        picture("texture", face.completed.texture)
        picture("provenance", face.completed.provenance, palette=PROVENANCE_COLOURS)
        picture("occluder", np.where(face.occluder > 0.5, np.uint8(255), np.uint8(0)))
        picture("face_region", np.where(face.face_region, np.uint8(255), np.uint8(0)))
        picture("deoccluded", face.deoccluded)
        picture("preview", face.preview)
        for job in jobs:
            job.result()  # raises what the writer raised
    write_json(folder / "face.json", face_record(face))
    return folder


def face_record(face: Reconstruction) -> dict[str, Any]:
    """The content of ``face.json``: lengths in mm, angles in degrees, points in photo pixels."""
    model, parameters, camera = face.model, face.parameters, face.camera
    yaw, pitch, roll = pose_degrees(parameters.rotation)
    posed = model.vertices(parameters.identity, parameters.expression)
    record: dict[str, Any] = {
        "schema_version": FACE_JSON_SCHEMA,
        "wholeface_version": __version__,
        "method": face.method,
        "face_model": {"name": model.name, "version": model.version, "units": "mm"},
        "photo": {
            "source": face.photo.source,
            "width": int(face.photo.pixels.shape[1]),
            "height": int(face.photo.pixels.shape[0]),
        },
        "face": {"number": face.face_number, "of": face.face_count, "box": face.landmarks.box},
        "parameters": {
            "identity": parameters.identity,
            "expression": dict(zip(model.expression_names, parameters.expression.tolist())),
            "albedo": parameters.albedo,
            "light": parameters.light,
            "rotation": parameters.rotation,
            "translation": parameters.translation,
        },
        "camera": {
            "model": "perspective, camera at the origin looking along -z, pixel centres at integers",
            "focal": float(camera.focal),
            "cx": camera.cx,
            "cy": camera.cy,
            "width": camera.width,
            "height": camera.height,
        },
        "pose_degrees": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "hidden_fraction": face.hidden_fraction,
        "outside_fraction": face.quality.outside_fraction,
        "certainty": face.landmarks.certainty,
        "quality": {"verdict": face.quality.verdict, "reasons": list(face.quality.reasons)},
        "warnings": list(face.warnings),
        "timings_ms": dict(face.timings_ms),
    }
    if model.landmarks_68 is not None:
        points = model.landmarks_68.points(posed, model.triangles)
        record["landmarks_2d"] = camera.project(
            to_camera(points, parameters.rotation, parameters.translation)
        )
        record["landmarks_3d"] = points
    return record
