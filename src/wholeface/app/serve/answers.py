"""What the service answers, as it stands in its OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, Field

from .jobs import Job

__all__ = ["About", "Accepted", "Problem", "Reconstruction", "reconstruction_of"]

_ROOT = "/v1/reconstructions"


class Reason(BaseModel):
    """Why something was refused or has failed."""

    kind: str = Field(
        description="For programs: photo, no_face, usage, memory, timeout, crash, error, queue, …"
    )
    message: str = Field(description="For people, in one sentence.")


class Problem(BaseModel):
    """Body of every answer that refuses."""

    error: Reason


class Accepted(BaseModel):
    """A photo that was taken."""

    id: str
    status: Literal["queued", "running", "done", "failed"]
    url: str = Field(description="Where to ask for it.")


class ProgressAnswer(BaseModel):
    """How far a photo is."""

    stage: str
    step: int
    steps: int


class Face(BaseModel):
    """One head. Lengths in millimetres, angles in radians, boxes in pixels of the photo."""

    number: int = Field(description="1 = the largest face of the photo.")
    hidden_fraction: float
    quality: dict[str, Any] = Field(description="verdict (good, fair, poor) and reasons.")
    warnings: list[str]
    provenance: dict[str, float] | None = Field(
        None, description="Shares of the texture: observed, mirrored, model, generated, example."
    )
    box: list[float] | None = None
    method: str | None = None
    spectacles: dict[str, Any] | None = None
    relief: dict[str, Any] | None = None
    timings_ms: dict[str, float] = {}
    rotation: list[float] = Field(description="Axis-angle: camera point = R · model point + t.")
    translation: list[float]
    camera: dict[str, Any]
    expressions: bool = Field(description="Whether the GLB has morph targets.")
    files: dict[str, str] = Field(description="Name -> URL.")


class Reconstruction(BaseModel):
    """A photo on its way, or what became of it."""

    id: str
    status: Literal["queued", "running", "done", "failed"]
    title: str | None = None
    created: datetime
    finished: datetime | None = None
    expires: datetime | None = Field(None, description="When it will be deleted.")
    position: int | None = Field(None, description="Place in the queue.")
    progress: ProgressAnswer | None = None
    error: Reason | None = Field(None, description="Why it failed.")
    photo: dict[str, Any] | None = Field(None, description="width, height, warnings.")
    face_count: int | None = Field(None, description="Faces that the photo shows.")
    faces: list[Face] | None = None
    files: dict[str, str] | None = Field(None, description="Name -> URL, of all files.")


class About(BaseModel):
    """What the page, or a program, should know about this server."""

    version: str
    mode: Literal["serve", "view"]
    token_needed: bool
    signed_in: bool
    ready: bool = Field(description="Whether the models are loaded.")
    limits: dict[str, float]


def reconstruction_of(
    job: Job, files: Mapping[str, Path], *, expires: float | None, position: int | None
) -> Reconstruction:
    """What is told about a job; no path is in it.

    Args:
        job: which.
        files: of its result, by public name.
        expires: when it will be forgotten, seconds since 1970.
        position: in the queue.
    """
    result = job.result or {}
    urls = (
        {name: f"{_ROOT}/{job.id}/files/{quote(name)}" for name in (*files, "everything.zip")}
        if files
        else None
    )
    faces = [_face(face, urls or {}) for face in result.get("faces", ())] if job.status == "done" else None
    return Reconstruction(
        id=job.id,
        status=job.status,
        title=result.get("title"),
        created=_moment(job.created) or datetime.now(timezone.utc),
        finished=_moment(job.finished),
        expires=_moment(expires),
        position=position,
        progress=None if job.progress is None else ProgressAnswer(**vars(job.progress)),
        error=None if job.error is None else Reason(**job.error),
        photo=result.get("photo"),
        face_count=result.get("face_count"),
        faces=faces,
        files=urls,
    )


def _face(face: Mapping[str, Any], urls: Mapping[str, str]) -> Face:
    own = f"{face['number']}/"
    files = {name.removeprefix(own): url for name, url in urls.items() if name.startswith(own)}
    return Face(**{**face, "files": files})


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, timezone.utc)
