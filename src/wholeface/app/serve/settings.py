"""What the operator of a server chooses."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UsageError

__all__ = ["ServeSettings", "is_loopback"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_SHORTEST_TOKEN = 12


@dataclass(frozen=True)
class ServeSettings:
    """Limits, place and workers of a server.

    Args:
        host: address to listen on.
        port: TCP port; 0 lets the system choose.
        store: folder of uploads and results, which outlives the server; None takes a temporary one that goes with it.
        workers: processes that reconstruct, each with the models in its memory.
        queue: photos that may wait for a worker; more are refused with 429.
        max_bytes: of an upload.
        max_pixels: of a photo.
        max_faces: of one photo, the largest, that are reconstructed at most.
        max_texture_size: edge of the texture in texels that a request may ask for.
        max_seconds: that one photo may take; its worker is ended and replaced then.
        keep_seconds: that a finished result is kept.
        keep_results: finished results that are kept; the oldest go first, but none in its first minute.
        token: what requests must show, or None.
        hosts: names by which the server may be called (header ``Host``); empty: the loopback names when it listens
            there, any name otherwise.
        method: system that runs unless a request names another.
        device: ``cpu`` or ``cuda``.
        engine: ``module:name`` of what a worker process builds and calls, see :mod:`.worker`.

    Raises:
        UsageError: a number below its least sensible value, or a token that is easily guessed.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    store: Path | None = None
    workers: int = 1
    queue: int = 16
    max_bytes: int = 25 << 20
    max_pixels: int = 50_000_000
    max_faces: int = 5
    max_texture_size: int = 2048
    max_seconds: float = 300.0
    keep_seconds: float = 3600.0
    keep_results: int = 200
    token: str | None = None
    hosts: tuple[str, ...] = ()
    method: str = "auto"
    device: str = "cpu"
    engine: str = f"{__package__}.engine:ReconstructorEngine"

    def __post_init__(self) -> None:
        for name, least in (
            ("workers", 1),
            ("queue", 1),
            ("max_bytes", 1),
            ("max_pixels", 1),
            ("max_faces", 1),
            ("max_texture_size", 64),
            ("keep_results", 1),
            ("port", 0),
        ):
            if getattr(self, name) < least:
                raise UsageError(f"{name.replace('_', ' ')} {getattr(self, name)}: at least {least}")
        for name in ("max_seconds", "keep_seconds"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name.replace('_', ' ')} {getattr(self, name)}: must be more than 0")
        if self.token is not None and len(self.token) < _SHORTEST_TOKEN:
            raise UsageError(f"the token is too short: at least {_SHORTEST_TOKEN} characters")

    @property
    def allowed_hosts(self) -> frozenset[str] | None:
        """Names that ``Host`` may have, or None for any: on loopback no page of another name may reach the server."""
        if self.hosts:
            return frozenset({*self.hosts, *(_LOOPBACK if is_loopback(self.host) else ())})
        return frozenset(_LOOPBACK) if is_loopback(self.host) else None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there."""
    return host in _LOOPBACK or host.startswith("127.")
