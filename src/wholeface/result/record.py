"""``face.json``: what a reconstruction found, and from which photo and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..render import pose_degrees, to_camera
from ..stages.posed import PosedFace
from .files import path_id
from .relief import relief_record

if TYPE_CHECKING:
    from .reconstruction import Reconstruction

__all__ = ["FACE_JSON_SCHEMA", "face_record"]

FACE_JSON_SCHEMA = 2
"""2 adds ``photo.sha256``, ``photo.path_sha256``, ``options`` and ``files`` to 1; nothing was changed or removed."""


def face_record(
    face: Reconstruction, *, options: Mapping[str, Any] | None = None, files: tuple[str, ...] = ()
) -> dict[str, Any]:
    """The content of ``face.json``: lengths in mm, angles in degrees, points in photo pixels.

    Args:
        face: what was reconstructed.
        options: how it was made and saved, to be noted.
        files: names of the files that belong to the result.
    """
    model, parameters, camera = face.model, face.parameters, face.camera
    yaw, pitch, roll = pose_degrees(parameters.rotation)
    posed = PosedFace.of(model, parameters, face.posed)
    source = face.photo.source
    record: dict[str, Any] = {
        "schema_version": FACE_JSON_SCHEMA,
        "wholeface_version": __version__,
        "method": face.method,
        "face_model": {"name": model.name, "version": model.version, "units": "mm"},
        "photo": {
            "source": source,
            "sha256": face.photo.sha256,
            "path_sha256": None if source.startswith("<") else path_id(source),
            "width": int(face.photo.pixels.shape[1]),
            "height": int(face.photo.pixels.shape[0]),
        },
        "options": dict(options or {}),
        "files": list(files),
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
        "spectacles": _spectacles(face),
        "relief": relief_record(model, face.relief),
        "outside_fraction": face.quality.outside_fraction,
        "certainty": face.landmarks.certainty,
        "quality": {"verdict": face.quality.verdict, "reasons": list(face.quality.reasons)},
        "warnings": list(face.warnings),
        "timings_ms": dict(face.timings_ms),
    }
    if model.landmarks_68 is not None:
        points = model.landmarks_68.points(posed.shape, model.triangles)
        record["landmarks_2d"] = camera.project(
            to_camera(points, parameters.rotation, parameters.translation)
        )
        record["landmarks_3d"] = points
    return record


def _spectacles(face: Reconstruction) -> dict[str, Any] | None:
    """Their kind, how sure that is, and which shares of the projected face lie behind their parts."""
    worn = face.spectacles
    if worn is None:
        return None
    area = max(int(face.face_region.sum()), 1)
    within = face.face_region[worn.slices]
    parts = {"frame": worn.frame_patch, "clear_lens": worn.lens_patch, "dark_lens": worn.dark_patch}
    return {
        "kind": worn.kind.name.lower(),
        "presence": worn.presence,
        **{f"{name}_fraction": float((p.values > 0.5)[within].sum() / area) for name, p in parts.items()},
    }
