"""From a checkpoint to a weight file that can be shipped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from ... import __version__
from ...networks.quantise import Storage
from ...networks.weights import WeightCard, save_weights
from .engine.checkpoint import Checkpoint, load_checkpoint

__all__ = ["card_of", "export_weights"]


def card_of(
    checkpoint: Checkpoint, *, name: str | None = None, version: str | None = None, network: str | None = None
) -> WeightCard:
    """What a checkpoint says about its weights.

    Args:
        checkpoint: of a run.
        name: of the weights (default: the recipe's).
        version: of the weights (default: the package's and the step).
        network: whose weights, where the run has several.
    """
    facts = checkpoint.facts["card"]
    facts = {**facts, **facts.get("networks", {}).get(checkpoint.sole(network), {})}
    return WeightCard(
        name=name or checkpoint.recipe,
        version=version or f"{__version__}-{checkpoint.step}",
        description=facts["description"],
        licence=facts["licence"],
        sources=tuple(facts["sources"]),
        paper=facts["paper"],
        preprocessing=facts["preprocessing"],
        scores=checkpoint.metrics,
        architecture=facts["architecture"],
        architecture_config=facts["architecture_config"],
        recipe=checkpoint.recipe,
        recipe_config={name: _told(value) for name, value in checkpoint.settings.items()},
        commit=facts["commit"],
        notes={
            "steps": checkpoint.step,
            "minutes": round(checkpoint.seconds / 60, 1),
            "finished": checkpoint.finished,
            "scores_of": "the unpacked weights on the recipe's held-out samples",
        },
    )


def _told(value: Any) -> Any:
    """A setting without the folders of the machine on which it was used: the last name of a path says enough."""
    if isinstance(value, (list, tuple)):
        return [_told(item) for item in value]
    return value.replace("\\", "/").rsplit("/", 1)[-1] if isinstance(value, str) else value


def export_weights(
    checkpoint_file: Path,
    target: Path,
    *,
    storage: Storage = "fp16",
    name: str | None = None,
    version: str | None = None,
    average: bool = True,
    network: str | None = None,
) -> WeightCard:
    """Write the weights of a checkpoint and their card.

    Args:
        checkpoint_file: ``last.safetensors`` of a run.
        target: ``….safetensors``.
        storage: how the numbers are kept.
        name: of the weights (default: the recipe's).
        version: of the weights (default: the package's and the step).
        average: take the running average (which was validated), not the last weights.
        network: name of the network in the run; needed where it has several.

    Returns:
        The card as written.

    Raises:
        ModelFileError: the checkpoint is missing or damaged.
        UsageError: the target has another ending; the run has several networks, or none of that name.
    """
    checkpoint = load_checkpoint(checkpoint_file)
    which = checkpoint.sole(network)
    state = checkpoint.averaged(which) if average else checkpoint.networks[which]
    # A counter that evaluation never reads.
    tensors: dict[str, Tensor] = {n: t for n, t in state.items() if not n.endswith("num_batches_tracked")}
    card = card_of(checkpoint, name=name, version=version, network=which)
    if not average:
        card = replace(card, scores={})
    return save_weights(target, tensors, card, storage=storage)
