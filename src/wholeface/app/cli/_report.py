"""What is said about each photo: to programs as a record, to people in lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import WholeFaceError
from ._terminal import reason_of

if TYPE_CHECKING:
    from ...result.reconstruction import Reconstruction

__all__ = ["failure", "lines", "noted_face", "saved_face"]


def saved_face(face: Reconstruction, folder: Path) -> dict[str, Any]:
    """Summary of a face that was just saved."""
    return {
        "folder": str(folder),
        "face": face.face_number,
        "quality": face.quality.verdict,
        "reasons": list(face.quality.reasons),
        "hidden": round(face.hidden_fraction, 3),
        "warnings": list(face.warnings),
        "timings_ms": {name: round(ms, 1) for name, ms in face.timings_ms.items()},
    }


def noted_face(record: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The same summary of a face that an earlier run saved, from its record."""
    quality = record.get("quality") or {}
    return {
        "folder": str(folder),
        "face": record["face"]["number"],
        "quality": quality.get("verdict"),
        "reasons": quality.get("reasons", []),
        "hidden": round(record.get("hidden_fraction") or 0.0, 3),
        "warnings": record.get("warnings", []),
        "timings_ms": record.get("timings_ms", {}),
    }


def failure(error: Exception) -> dict[str, Any]:
    """The part of a report that says why there is no result."""
    kind = error.kind if isinstance(error, WholeFaceError) else type(error).__name__
    return {"ok": False, "error": kind, "message": reason_of(error)}


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """What a person reads about one photo."""
    if not report["ok"]:
        message, photo = report["message"], report["photo"]
        yield message if message.startswith(photo) else f"{photo}: {message}"
        return
    for face in report["faces"]:
        if report.get("skipped"):
            yield f"{face['folder']}  finished by an earlier run, skipped"
            continue
        total = sum(face["timings_ms"].values()) / 1000
        why = f" ({'; '.join(face['reasons'])})" if face["reasons"] else ""
        hidden = f"{face['hidden']:.0%} of the face was hidden"
        yield f"{face['folder']}  {hidden}, quality {face['quality']}{why}, {total:.1f} s"
        for warning in face["warnings"]:
            yield f"  note: {warning}"
    for note in report.get("notes", ()):
        yield f"  note: {note}"
