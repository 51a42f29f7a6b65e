"""What a checkpoint remembers for the weight card."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from .recipe import Recipe, Task

__all__ = ["card_facts"]


def card_facts(recipe: Recipe[Any], task: Task) -> dict[str, Any]:
    """What the weight card will say about these weights."""
    config = getattr(task.network, "config", None)
    return {
        "description": recipe.summary,
        "licence": recipe.licence,
        "sources": list(recipe.sources),
        "paper": recipe.paper,
        "preprocessing": dict(task.preprocessing),
        "architecture": type(task.network).__name__,
        "architecture_config": (
            asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}
        ),
        "commit": _commit(),
    }


def _commit() -> str:
    """The commit of the source tree that runs, with a ``+`` where it was changed since; empty when unknown."""
    here = Path(__file__).parent
    try:
        words = ["git", "-C", str(here), "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty=+"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
