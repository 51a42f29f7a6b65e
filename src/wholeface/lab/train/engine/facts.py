"""What a checkpoint remembers for the weight card."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from torch import nn

from ..recipe import JointTask, Recipe

__all__ = ["card_facts"]


def card_facts(recipe: Recipe[Any], task: JointTask) -> dict[str, Any]:
    """What the weight cards will say about these weights; the architectures by the networks' names."""
    return {
        "description": recipe.summary,
        "licence": recipe.licence,
        "sources": list(task.sources or recipe.sources),
        "paper": recipe.paper,
        "preprocessing": dict(task.preprocessing),
        **_architecture(next(iter(task.networks.values()))),
        "networks": {name: _architecture(network) for name, network in task.networks.items()},
        "commit": _commit(),
    }


def _architecture(network: nn.Module) -> dict[str, Any]:
    config = getattr(network, "config", None)
    known = is_dataclass(config) and not isinstance(config, type)
    return {
        "architecture": type(network).__name__,
        "architecture_config": asdict(config) if known else {},  # type: ignore[arg-type]
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
