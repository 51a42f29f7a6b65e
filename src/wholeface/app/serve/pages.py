"""The page in the browser, as files of this package; nothing of it comes from elsewhere."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

from fastapi import APIRouter, Request, Response

__all__ = ["page_routes"]

_NAMES = {
    "/": "index.html",
    "/docs": "docs.html",
    **{
        f"/page/{name}": name
        for name in (
            "page.css", "page.js", "docs.js", "session.js", "upload.js", "webcam.js", "result.js", "compare.js",
            "head.js", "shape.js", "colours.js", "expressions.js", "theme.js", "words.js", "dom.js", "icon.svg",
        )
    },
    "/page/vendor/three.js": "vendor/three.js",
}  # fmt: skip
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    name: str

    @cached_property
    def data(self) -> bytes:
        return files(__package__).joinpath("page", *self.name.split("/")).read_bytes()

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.data, 6, mtime=0)

    @cached_property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.data).hexdigest()[:32]}"'

    def answer(self, request: Request) -> Response:
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if self.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        body = self.data
        if "gzip" in request.headers.get("accept-encoding", ""):
            body, headers["Content-Encoding"] = self.packed, "gzip"
        return Response(body, headers=headers, media_type=_TYPES[self.name.rsplit(".", 1)[-1]])


def page_routes() -> APIRouter:
    """``/``, ``/docs`` and what they load."""
    router = APIRouter(include_in_schema=False)
    for path, name in _NAMES.items():
        router.add_api_route(path, _answering(_File(name)), methods=["GET", "HEAD"], response_class=Response)
    return router


def _answering(file: _File):  # type: ignore[no-untyped-def]  # FastAPI reads the inner function's annotations
    def answer(request: Request) -> Response:
        return file.answer(request)

    return answer
