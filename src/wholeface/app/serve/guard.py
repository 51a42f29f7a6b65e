"""What every request passes first: who calls, by which name, with which token, how many bytes; and safe headers."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .metrics import Metrics
from .settings import ServeSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["COOKIE", "Guard", "session_of", "token_is"]

COOKIE = "wholeface_session"
_OPEN = ("/v1/about", "/v1/session")
_BODY_SECONDS = 120.0  # s in which a body must arrive
_ROOM_FOR_FIELDS = 64 << 10  # bytes beside the photo
_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    b"content-security-policy": b"default-src 'self'; img-src 'self' blob: data:; connect-src 'self' blob:; "
    b"media-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"permissions-policy": b"camera=(self), microphone=(), geolocation=()",
    b"cross-origin-resource-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
}


def session_of(token: str) -> str:
    """What a browser shows instead of the token, in a cookie."""
    return hmac.new(token.encode(), b"wholeface session", hashlib.sha256).hexdigest()


def token_is(token: str | None, shown: str) -> bool:
    """Whether the right token was shown; compared in constant time."""
    return token is not None and secrets.compare_digest(token.encode(), shown.encode())


class Guard:
    """ASGI middleware.

    Args:
        app: what follows.
        settings: of the server.
        metrics: counts what is refused.
    """

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._session = None if settings.token is None else session_of(settings.token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        scope.setdefault("state", {})["signed_in"] = self._known(headers)
        refusal = self._refusal(scope, headers)
        guarded = _Safely(send)
        if refusal is not None:
            status, reason, message = refusal
            await self._refuse(guarded, status, reason, message)
            return
        body = _Body(receive, self._settings.max_bytes + _ROOM_FOR_FIELDS)
        sender = _Unless(body, guarded)
        try:
            await self._app(scope, body, sender)
        except Exception:
            if body.problem is None:
                raise
        finally:
            if body.problem is not None and not guarded.begun:
                status, reason, message = body.problem
                await self._refuse(guarded, status, reason, message)

    def _known(self, headers: dict[str, str]) -> bool:
        if self._session is None:
            return True
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token_is(self._settings.token, shown.strip()):
            return True
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self._session.encode())

    def _is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this server asks; also of one behind a proxy that has another name for it."""
        return urlsplit(origin).netloc == host or _name_of(urlsplit(origin).netloc) in self._settings.hosts

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str] | None:
        host = headers.get("host", "")
        allowed = self._settings.allowed_hosts
        if allowed is not None and _name_of(host) not in allowed:
            return 421, "host", "this server is not called by that name; see --allow-host"
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin is not None and not self._is_own(origin, host):
            return 403, "origin", "pages of other sites may not use this server"
        path = scope["path"]
        closed = path.startswith("/v1/") or path == "/metrics"
        if closed and path not in _OPEN and not scope["state"]["signed_in"]:
            return 401, "token", "a token is needed: Authorization: Bearer TOKEN"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._settings.max_bytes + _ROOM_FOR_FIELDS:
            return 413, "bytes", too_large(self._settings.max_bytes)
        return None

    async def _refuse(self, send: Send, status: int, reason: str, message: str) -> None:
        self._metrics.refused.labels(reason=reason).inc()
        body = json.dumps({"error": {"kind": reason, "message": message}}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if status in (408, 413):
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def too_large(limit: int) -> str:
    """What is said about an upload of too many bytes."""
    return f"the photo is too large: at most {limit / (1 << 20):.3g} MiB"


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


class _Body:
    """The request's body, cut off where it is too long or too slow."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._left = limit
        self._limit = limit - _ROOM_FOR_FIELDS
        self._until: float | None = None
        self._whole = False
        self.problem: tuple[int, str, str] | None = None

    async def __call__(self) -> Message:
        if self._whole or self.problem:
            return {"type": "http.disconnect"} if self.problem else await self._receive()
        now = asyncio.get_running_loop().time()
        self._until = now + _BODY_SECONDS if self._until is None else self._until
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - now))
        except asyncio.TimeoutError:
            self.problem = (408, "slow", f"the photo did not arrive within {_BODY_SECONDS:g} seconds")
            return {"type": "http.disconnect"}
        if message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            self._whole = not message.get("more_body", False)
            if self._left < 0:
                self.problem = (413, "bytes", too_large(self._limit))
                return {"type": "http.disconnect"}
        return message


class _Safely:
    """Adds the headers that every answer has."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            present = {name.lower() for name, _ in message.get("headers", ())}
            extra = [(name, value) for name, value in _HEADERS.items() if name not in present]
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await self._send(message)


class _Unless:
    """Swallows the answer to a body that was cut off."""

    def __init__(self, body: _Body, send: _Safely) -> None:
        self._body = body
        self._send = send

    async def __call__(self, message: Message) -> None:
        if self._body.problem is None or self._send.begun:
            await self._send(message)
