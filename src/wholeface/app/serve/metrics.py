"""What is counted, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["CONTENT_TYPE_LATEST", "Metrics"]

_SECONDS = (0.1, 0.3, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.finished = Counter(
            "wholeface_reconstructions", "Photos that were finished", ["status"], registry=registry
        )
        self.refused = Counter(
            "wholeface_refused", "Requests that were refused", ["reason"], registry=registry
        )
        self.faces = Counter("wholeface_faces", "Heads that were made", registry=registry)
        self.restarts = Counter(
            "wholeface_worker_restarts", "Workers that had to be replaced", registry=registry
        )
        self.seconds = Histogram(
            "wholeface_reconstruction_seconds",
            "Time of a worker for a photo",
            buckets=_SECONDS,
            registry=registry,
        )
        self.waited = Histogram(
            "wholeface_queue_seconds",
            "Time that a photo waited for a worker",
            buckets=_SECONDS,
            registry=registry,
        )
        for status in ("done", "failed"):
            self.finished.labels(status=status)

    def watch(self, name: str, words: str, value: Callable[[], float]) -> None:
        """A gauge that is read when it is asked for."""
        Gauge(name, words, registry=self._registry).set_function(value)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)
