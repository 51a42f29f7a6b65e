"""One photo on its way through the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeAlias

__all__ = ["Job", "Progress", "Status"]

Status: TypeAlias = Literal["queued", "running", "done", "failed"]


@dataclass(frozen=True)
class Progress:
    """How far a photo is.

    Args:
        stage: what is being done, in words.
        step: number of this stage, counted from 1.
        steps: how many there are.
    """

    stage: str
    step: int
    steps: int


@dataclass(frozen=True)
class Job:
    """A photo and what became of it; plain values only, so that it can be written as JSON.

    Args:
        id: cannot be guessed, is safe as the name of a folder.
        status: ``queued``, ``running``, ``done`` or ``failed``.
        created: seconds since 1970.
        started: when a worker took it.
        finished: when it was done or failed.
        options: as the request gave them.
        attempts: how often a worker took it.
        progress: of a running one.
        error: of a failed one: ``{"kind": …, "message": …}``.
        result: of one that is done, as the engine reports it.
    """

    id: str
    status: Status = "queued"
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 0
    progress: Progress | None = None
    error: Mapping[str, str] | None = None
    result: Mapping[str, Any] | None = None

    @property
    def over(self) -> bool:
        """Whether it is done or has failed."""
        return self.status in ("done", "failed")

    def to_json(self) -> dict[str, Any]:
        """All but the progress, which is of no use to a later server."""
        return {name: value for name, value in asdict(self).items() if name != "progress"}

    @classmethod
    def from_json(cls, record: Any) -> Job:
        """The job of a record; keys of other versions are left out.

        Raises:
            KeyError, TypeError, ValueError: it is not a job's record.
        """
        if not isinstance(record, dict):
            raise ValueError(f"not a job: {record!r}")
        known = {f.name for f in fields(cls)} - {"progress"}
        job = cls(**{name: value for name, value in record.items() if name in known})
        if job.status not in ("queued", "running", "done", "failed") or not isinstance(job.created, float):
            raise ValueError(f"not a job: {record!r}")
        return job
