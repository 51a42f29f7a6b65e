"""The service: photos in over HTTP, heads out."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Form, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse, StreamingResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from ... import __version__
from ...core.errors import UsageError
from .answers import About, Accepted, Problem, Reconstruction, reconstruction_of
from .crew import Crew
from .events import progress_events
from .guard import COOKIE, Guard, session_of, token_is, too_large
from .metrics import CONTENT_TYPE_LATEST, Metrics
from .options import Options, read_options
from .pages import page_routes
from .results import NOT_THERE, refusal, result_routes
from .settings import ServeSettings
from .store import Store

__all__ = ["add_common_routes", "create_app", "to_standard_error"]

_DESCRIPTION = """\
One photo of a partly hidden face in, a complete textured 3D head out. Send a photo to `POST /v1/reconstructions`,
then ask `GET /v1/reconstructions/{id}`, or listen to its `events`, until it is `done`.

Every answer that refuses has the body `{"error": {"kind", "message"}}`.
"""
_FORM = {
    "requestBody": {
        "required": True,
        "content": {"multipart/form-data": {"schema": {"$ref": "#/components/schemas/PhotoForm"}}},
    }
}
_SWEEP_S = 10.0  # s between looks for results that have expired


def create_app(settings: ServeSettings | None = None, *, log: Callable[[str], None] | None = None) -> FastAPI:
    """The service as an ASGI application; models are loaded by worker processes when it starts up.

    Args:
        settings: limits, place, workers; None takes the defaults.
        log: is given lines for the operator; None prints them to standard error.
    """
    chosen = settings or ServeSettings()
    say = log or to_standard_error
    metrics = Metrics()
    desk = _Desk()

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with desk.open(chosen, metrics, say):
            yield

    app = FastAPI(
        title="WholeFace", version=__version__, description=_DESCRIPTION, lifespan=lifespan, docs_url=None,
        redoc_url=None,
    )  # fmt: skip
    app.add_middleware(Guard, settings=chosen, metrics=metrics)
    add_common_routes(app, chosen, mode="serve", ready=lambda: desk.crew.ready, log=say)
    app.include_router(result_routes(lambda: desk.store, desk.position))
    _add_work_routes(app, desk, chosen, metrics)
    metrics.watch(
        "wholeface_queue_length", "Photos that wait", lambda: desk.crew.waiting if desk.opened else 0
    )
    metrics.watch("wholeface_ready", "1: a worker is ready", lambda: float(desk.opened and desk.crew.ready))
    metrics.watch("wholeface_stored", "Jobs in the store", lambda: len(desk.store) if desk.opened else 0)
    _describe_the_form(app)
    return app


def to_standard_error(line: str) -> None:
    """Tells the operator."""
    print(f"wholeface: {line}", file=sys.stderr, flush=True)


class _Desk:
    """Store and crew of a running application."""

    store: Store
    crew: Crew
    opened = False

    @contextlib.asynccontextmanager
    async def open(
        self, settings: ServeSettings, metrics: Metrics, log: Callable[[str], None]
    ) -> AsyncIterator[None]:
        folder = settings.store or Path(tempfile.mkdtemp(prefix="wholeface-"))
        try:
            self.store = Store(folder, keep_seconds=settings.keep_seconds, keep_results=settings.keep_results)
            self.crew = Crew(self.store, settings, metrics, log)
            await self.crew.start()
            self.opened = True
            sweeping = asyncio.create_task(self._sweep())
            try:
                yield
            finally:
                sweeping.cancel()
                await self.crew.stop()
                self.opened = False
        finally:
            if settings.store is None:
                shutil.rmtree(folder, ignore_errors=True)

    async def _sweep(self) -> None:
        while True:
            await self.store.expire()
            await asyncio.sleep(_SWEEP_S)

    def position(self, job_id: str) -> int | None:
        """Place in the queue."""
        return self.crew.position(job_id)

    def told(self, job_id: str) -> Reconstruction | None:
        """What is to be told about a job."""
        job = self.store.get(job_id)
        if job is None:
            return None
        return reconstruction_of(
            job,
            self.store.files(job),
            expires=self.store.expires(job),
            position=self.crew.position(job_id),
        )


def add_common_routes(
    app: FastAPI,
    settings: ServeSettings,
    *,
    mode: Any,
    ready: Callable[[], bool],
    log: Callable[[str], None],
) -> None:
    """The page, ``/v1/about``, ``/v1/session``, ``/healthz``, and how errors are told."""
    app.include_router(page_routes())

    @app.get("/v1/about", tags=["server"], name="about")
    def about(request: Request) -> About:
        """Version and limits of this server, and whether it wants a token."""
        names = (
            "max_bytes",
            "max_pixels",
            "max_faces",
            "max_texture_size",
            "max_seconds",
            "keep_seconds",
            "queue",
        )
        return About(
            version=__version__,
            mode=mode,
            token_needed=settings.token is not None,
            signed_in=request.state.signed_in,
            ready=ready(),
            limits={name: float(getattr(settings, name)) for name in names},
        )

    @app.post(
        "/v1/session", tags=["server"], status_code=204, responses={401: {"model": Problem}}, name="session"
    )
    async def session(token: str = Form(...)) -> Response:
        """Exchanges the token for a cookie, for browsers."""
        if not token_is(settings.token, token):
            await asyncio.sleep(0.5)
            return refusal(401, "token", "that is not the token")
        answer = Response(status_code=204)
        answer.set_cookie(COOKIE, session_of(token), httponly=True, samesite="strict", path="/")
        return answer

    @app.get("/healthz", tags=["server"], name="health")
    def health() -> dict[str, Any]:
        """Whether the server answers, and whether its models are loaded."""
        return {"status": "ok", "ready": ready()}

    @app.get(
        "/readyz", tags=["server"], name="ready", responses={503: {"description": "The models are loading."}}
    )
    def readiness() -> Response:
        """200 when the models are loaded, else 503."""
        return PlainTextResponse("ready" if ready() else "the models are loading", 200 if ready() else 503)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kinds = {404: "not_found", 405: "method"}
        return refusal(error.status_code, kinds.get(error.status_code, "request"), str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return refusal(422, "usage", f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    @app.exception_handler(OSError)
    async def broken(request: Request, error: Exception) -> Response:
        log(f"a request could not be answered: {error}")
        return refusal(507, "storage", "the server cannot keep this photo; its log says why")

    @app.exception_handler(UsageError)
    async def misused(request: Request, error: Exception) -> Response:
        return refusal(422, "usage", str(error))


def _add_work_routes(app: FastAPI, desk: _Desk, settings: ServeSettings, metrics: Metrics) -> None:
    @app.post(
        "/v1/reconstructions",
        tags=["reconstructions"],
        status_code=202,
        response_model=Accepted,
        openapi_extra=_FORM,
        name="send",
        responses={
            413: {"model": Problem, "description": "The photo has too many bytes."},
            422: {
                "model": Problem,
                "description": "No photo, or an option that is not known or out of range.",
            },
            429: {
                "model": Problem,
                "description": "The queue is full; `Retry-After` says for how many seconds.",
            },
        },
    )
    async def send(request: Request) -> Any:
        """Send a photo (field `photo`) and, as further fields, options. It is queued."""
        if desk.crew.full:
            metrics.refused.labels(reason="queue").inc()
            wait = desk.crew.retry_after
            message = f"{settings.queue} photos are waiting already; try again in {wait} s"
            return refusal(429, "queue", message, **{"Retry-After": str(wait)})
        with desk.crew.place():
            job = await _taken(request, desk.store, settings)
        if isinstance(job, Response):
            metrics.refused.labels(reason="form").inc()
            return job
        await desk.crew.submit(job)
        url = f"/v1/reconstructions/{job.id}"
        accepted = Accepted(id=job.id, status=job.status, url=url)
        return Response(accepted.model_dump_json(), 202, {"Location": url}, media_type="application/json")

    @app.get(
        "/v1/reconstructions/{job_id}/events",
        tags=["reconstructions"],
        responses={**NOT_THERE, 200: {"content": {"text/event-stream": {}}}},
        response_class=StreamingResponse,
        name="events",
    )
    async def events(job_id: str) -> Response:
        """Server-sent events `status`, each with what `GET` answers, at every change until the photo is done."""
        if desk.store.get(job_id) is None:
            return refusal(404, "not_found", "there is no such reconstruction; it may have expired")
        return StreamingResponse(
            progress_events(desk.store, job_id, desk.told),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @app.delete(
        "/v1/reconstructions/{job_id}", tags=["reconstructions"], status_code=204, responses=NOT_THERE,
        name="remove",
    )  # fmt: skip
    async def remove(job_id: str) -> Response:
        """Deletes photo and result, whatever has become of them. What a worker is doing is thrown away when done."""
        desk.crew.withdraw(job_id)
        if not await desk.store.remove(job_id):
            return refusal(404, "not_found", "there is no such reconstruction; it may have expired")
        return Response(status_code=204)

    @app.get("/metrics", tags=["server"], response_class=PlainTextResponse, name="metrics")
    async def tell_metrics() -> Response:
        """Counters for Prometheus."""
        return Response(metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def _taken(request: Request, store: Store, settings: ServeSettings) -> Any:
    """The job of a form, or the answer that refuses it. The name that the client gave its file is not looked at."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        return refusal(422, "usage", "send a form (multipart/form-data) with the field photo")
    try:
        async with request.form(max_files=1, max_fields=32) as form:
            photo = form.get("photo")
            if not isinstance(photo, UploadFile) or not photo.size:
                what = (
                    "the file is empty"
                    if isinstance(photo, UploadFile)
                    else "the form has no file of this name"
                )
                return refusal(422, "usage", f"photo: {what}")
            if photo.size > settings.max_bytes:
                return refusal(413, "bytes", too_large(settings.max_bytes))
            for name in form:
                if len(form.getlist(name)) > 1:
                    return refusal(422, "usage", f"{name}: given more than once")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            return await store.add(photo.file, read_options(fields, settings))
    except (MultiPartException, HTTPException) as error:
        reason = error.message if isinstance(error, MultiPartException) else error.detail
        return refusal(422, "usage", f"the form cannot be read: {reason}")


def _describe_the_form(app: FastAPI) -> None:
    """Puts the fields of the form, which are read by hand so that limits come first, into the description."""
    made = app.openapi

    def described() -> dict[str, Any]:
        schema = made()
        fields = Options.model_json_schema(ref_template="#/components/schemas/{model}")
        properties = fields["properties"]
        properties["formats"] = {**properties["formats"], "type": "string", "default": "glb"}
        properties["formats"].pop("items", None)
        photo = {
            "type": "string",
            "format": "binary",
            "description": "JPEG, PNG, WebP, TIFF, … (HEIC if installed).",
        }
        schema.setdefault("components", {}).setdefault("schemas", {})["PhotoForm"] = {
            "type": "object",
            "title": "PhotoForm",
            "required": ["photo"],
            "properties": {"photo": photo, **properties},
        }
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's documented way
