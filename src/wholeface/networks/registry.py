"""Networks by name: the weight file, its card, and the module that they make."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .weights import WeightCard

__all__ = [
    "HASH_KEY",
    "NETWORKS",
    "SHIPPED_WEIGHTS",
    "NetworkName",
    "build_network",
    "has_weights",
    "load_network",
    "read_card",
    "weights_file",
]

NetworkName = Literal["detector", "landmarks", "parsing"]


NETWORKS: dict[NetworkName, str] = {
    "detector": "DetectorNet",
    "landmarks": "LandmarkNet",
    "parsing": "ParsingNet",
}
"""Name of the weight file -> architecture that its card must name."""


SHIPPED_WEIGHTS = Path(__file__).resolve().parents[1] / "assets"


HASH_KEY = "wholeface.sha256"
"""Metadata of ONNX files: the hash of the weights from which they were made."""


def weights_file(name: NetworkName, weights: Path | None = None) -> Path:
    """Where the weights of a network lie.

    Args:
        name: a key of :data:`NETWORKS`.
        weights: a folder that holds ``NAME.safetensors``, or such a file itself; None takes the shipped ones.
    """
    place = SHIPPED_WEIGHTS if weights is None else Path(weights)
    return place if place.suffix == ".safetensors" else place / f"{name}.safetensors"


def has_weights(*names: NetworkName, weights: Path | None = None) -> bool:
    """Whether the weight files of these networks exist; see :func:`weights_file`."""
    return all(weights_file(name, weights).is_file() for name in names)


def load_network(name: NetworkName, path: Path | None = None) -> tuple[nn.Module, WeightCard]:
    """A network with its trained weights, in evaluation mode, on the CPU.

    Args:
        name: a key of :data:`NETWORKS`.
        path: see :func:`weights_file`.

    Returns:
        The module and its card.

    Raises:
        ModelFileError: a file is missing, damaged, of another network, or does not fit its architecture.
    """
    from .weights import load_weights

    file = weights_file(name, path)
    read_card(name, file)
    tensors, card = load_weights(file)
    return build_network(card, tensors, file), card


def build_network(card: WeightCard, tensors: Mapping[str, Tensor], file: Path) -> nn.Module:
    """The module that a card describes, with these tensors as its weights.

    Args:
        card: of the weights.
        tensors: parameters and buffers by name; the module keeps them, not copies.
        file: named in errors.

    Raises:
        ModelFileError: an architecture that this version does not know, or tensors that do not fit it.
    """
    from .. import networks

    if card.architecture not in NETWORKS.values():
        raise ModelFileError(
            f"weight file {file} belongs to the architecture {card.architecture or '(none named)'!r}, which this "
            f"version of wholeface does not know (it knows {', '.join(NETWORKS.values())}); "
            "update wholeface or take other weights"
        )
    try:
        config = getattr(networks, f"{card.architecture}Config")(**card.architecture_config)
        network: nn.Module = getattr(networks, card.architecture)(config)
        network.load_state_dict(dict(tensors), assign=True)
    except (TypeError, ValueError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[min(1, len(lines) - 1)] if lines else type(error).__name__
        raise ModelFileError(
            f"weight file {file} (SHA-256 {card.sha256}) does not fit {card.architecture}, the architecture of its "
            f"card ({reason}); export it again from its checkpoint with `wholeface weights export`"
        ) from error
    return network.eval().requires_grad_(False)


def read_card(name: NetworkName, file: Path) -> WeightCard:
    """The card of a network's weights.

    Args:
        name: a key of :data:`NETWORKS`.
        file: the weights.

    Raises:
        ModelFileError: it is missing, broken, or that of another network.
    """
    from .weights import load_card

    if not file.is_file():
        raise ModelFileError(
            f"the weights of the {name} network are missing: {file}; install wholeface again, or train and export "
            f"them (`wholeface train {name}`, `wholeface weights export`)"
        )
    card = load_card(file)
    if card.architecture != NETWORKS[name] and card.architecture in NETWORKS.values():
        raise ModelFileError(
            f"weight file {file} holds a {card.architecture}, but the {name} network is a {NETWORKS[name]}; "
            "take the file that belongs there"
        )
    return card
