"""The routes that tell about results, wherever these come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from .answers import Problem, Reconstruction, reconstruction_of
from .bundle import EVERYTHING
from .jobs import Job

__all__ = ["NOT_THERE", "Results", "refusal", "result_routes"]

NOT_THERE: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is none (any more)."}
}
_TYPES = {
    "glb": "model/gltf-binary",
    "obj": "model/obj",
    "mtl": "text/plain; charset=utf-8",
    "ply": "application/octet-stream",
    "png": "image/png",
    "jpg": "image/jpeg",
    "json": "application/json",
    "zip": "application/zip",
}


class Results(Protocol):
    """Where jobs and their files are found."""

    def get(self, job_id: str) -> Job | None:
        """The job, or None."""
        ...

    def files(self, job: Job) -> dict[str, Path]:
        """Public name -> file."""
        ...

    async def everything(self, job: Job) -> Path:
        """All of them in a zip."""
        ...

    def expires(self, job: Job) -> float | None:
        """When it will be forgotten."""
        ...


def refusal(status: int, kind: str, message: str, **headers: str) -> JSONResponse:
    """An answer that refuses, with a reason."""
    return JSONResponse({"error": {"kind": kind, "message": message}}, status, headers)


def result_routes(results: Callable[[], Results], position: Callable[[str], int | None]) -> APIRouter:
    """``GET /v1/reconstructions/{id}`` and ``…/files/{name}``.

    Args:
        results: where to look; asked at each request.
        position: in the queue, of a job's id.
    """
    router = APIRouter(prefix="/v1/reconstructions", tags=["reconstructions"])

    @router.get("/{job_id}", response_model=Reconstruction, responses=NOT_THERE, name="status")
    def status(job_id: str) -> Any:
        """How far a photo is: `queued`, `running`, `done` (with faces and files) or `failed` (with the reason)."""
        found = results()
        job = found.get(job_id)
        if job is None:
            return _no_such_job()
        return reconstruction_of(job, found.files(job), expires=found.expires(job), position=position(job_id))

    @router.head("/{job_id}/files/{name:path}", include_in_schema=False)
    @router.get("/{job_id}/files/{name:path}", responses=NOT_THERE, response_class=Response, name="file")
    async def file(request: Request, job_id: str, name: str, download: bool = False) -> Response:
        """A file of a result by the name under which `files` lists it, or `everything.zip`.

        `?download=1` lets a browser save it instead of showing it.
        """
        found = results()
        job = found.get(job_id)
        if job is None:
            return _no_such_job()
        files = found.files(job)
        path = files.get(name)
        if path is None and name == EVERYTHING and files:
            path = await found.everything(job)
        if path is None or not path.is_file():
            return refusal(404, "not_found", "this result has no such file")
        kind = name.rsplit(".", 1)[-1]
        saved = (
            f"wholeface_{name.replace('/', '_')}" if download or kind not in ("png", "jpg", "json") else None
        )
        return FileResponse(
            path,
            media_type=_TYPES.get(kind, "application/octet-stream"),
            filename=saved,
            headers={"Cache-Control": "private, max-age=3600"},
        )

    return router


def _no_such_job() -> JSONResponse:
    return refusal(404, "not_found", "there is no such reconstruction; it may have expired")
