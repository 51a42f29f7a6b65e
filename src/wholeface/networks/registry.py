"""Networks by name: the weight file, its card, and the module that they make; other packages may add theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..core.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .weights import WeightCard

__all__ = [
    "ARCHITECTURE_GROUP",
    "HASH_KEY",
    "METHOD_NETWORKS",
    "NETWORKS",
    "SHIPPED_WEIGHTS",
    "WEIGHTS_GROUP",
    "Builder",
    "NetworkName",
    "build_network",
    "builder_of",
    "has_weights",
    "load_network",
    "read_card",
    "weights_file",
]

NetworkName = Literal["detector", "eyewear", "landmarks", "parsing"]
Builder: TypeAlias = "Callable[[Mapping[str, Any]], nn.Module]"
"""``architecture_config`` of a card -> the module, its weights still random."""

ARCHITECTURE_GROUP = "wholeface.networks"
"""Packages offer architectures as entry points of this group: name as in cards -> :data:`Builder`."""

WEIGHTS_GROUP = "wholeface.weights"
"""Packages offer trained networks as entry points of this group: name -> function without arguments that returns the
path of the ``.safetensors`` file, its card beside it."""

NETWORKS: dict[NetworkName, str] = {
    "detector": "DetectorNet",
    "eyewear": "EyewearNet",
    "landmarks": "LandmarkNet",
    "parsing": "ParsingNet",
}
"""The front end: name of the weight file -> architecture that its card must name."""

METHOD_NETWORKS: dict[str, tuple[str, str]] = {
    "bump": ("BumpNet", "bump"),
    "deocclusion": ("DeocclusionNet", "deocclusion"),
    "eyeglasses": ("EyeglassesNet", "eyeglasses"),
    "eyeglasses_deleter": ("UNet", "eyeglasses"),
    "fisn": ("Fisn", "parsing_guided"),
    "focus": ("ParameterNet", "focus"),
    "focus_mask": ("UNet", "focus"),
    "relief": ("ReliefNet", "relief"),
    "student": ("ParameterNet", "distilled"),
    "texture_graph": ("TextureGraphNet", "texture_graph"),
}
"""What single methods need: name of the weight file -> architecture, and the recipe that trains it."""


SHIPPED_WEIGHTS = Path(__file__).resolve().parents[1] / "assets"


HASH_KEY = "wholeface.sha256"
"""Metadata of ONNX files: the hash of the weights from which they were made."""


def weights_file(name: str, weights: Path | None = None) -> Path:
    """Where the weights of a network lie.

    Args:
        name: a key of :data:`NETWORKS` or :data:`METHOD_NETWORKS`, a name that an installed package offers, or a path
            ending in ``.safetensors``.
        weights: a folder that holds ``NAME.safetensors``, or such a file itself; None takes the shipped ones, or
            those of the package that offers the name.

    Raises:
        ModelFileError: no such name, or the package that offers it cannot say where they are.
    """
    if weights is not None:
        place = Path(weights)
        return place if place.suffix == ".safetensors" else place / f"{name}.safetensors"
    if name in NETWORKS or name in METHOD_NETWORKS:
        return SHIPPED_WEIGHTS / f"{name}.safetensors"
    if name.endswith(".safetensors"):
        return Path(name)
    offered = _offered(WEIGHTS_GROUP)
    if name not in offered:
        raise ModelFileError(
            f"no network is called {name!r}; there are "
            f"{', '.join([*NETWORKS, *METHOD_NETWORKS, *sorted(offered)])}, and files that end in .safetensors"
        )
    return Path(_loaded(offered[name])())


def builder_of(architecture: str) -> Builder:
    """What makes the module of an architecture.

    Args:
        architecture: as cards name it: one of ours, or one that an installed package offers.

    Raises:
        ModelFileError: nobody knows it, or the package that offers it cannot be loaded.
    """
    ours = [*NETWORKS.values(), *(kind for kind, _ in METHOD_NETWORKS.values())]
    if architecture in ours:
        from .. import networks

        config, module = getattr(networks, f"{architecture}Config"), getattr(networks, architecture)
        return lambda settings: module(config(**settings))
    offered = _offered(ARCHITECTURE_GROUP)
    if architecture not in offered:
        raise ModelFileError(
            f"the architecture {architecture or '(none named)'!r} is one that this version of wholeface does not "
            f"know (it knows {', '.join([*ours, *sorted(offered)])}); update wholeface, install the "
            "package that it belongs to, or take other weights"
        )
    build: Builder = _loaded(offered[architecture])
    return build


def _offered(group: str) -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=group)}


def _loaded(entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except Exception as error:
        raise ModelFileError(
            f"{entry.name!r}, offered by {entry.value}, cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def has_weights(*names: str, weights: Path | None = None) -> bool:
    """Whether the weight files of these networks exist; see :func:`weights_file`."""
    return all(weights_file(name, weights).is_file() for name in names)


def load_network(
    name: str, path: Path | None = None, *, build: Builder | None = None
) -> tuple[nn.Module, WeightCard]:
    """A network with its trained weights, in evaluation mode, on the CPU.

    Args:
        name: a key of :data:`NETWORKS` or :data:`METHOD_NETWORKS`, a name that an installed package offers, or the
            path of a weight file.
        path: see :func:`weights_file`.
        build: makes the module; None takes the builder of the architecture that the card names.

    Returns:
        The module and its card.

    Raises:
        ModelFileError: a file is missing, damaged, of another network, or does not fit its architecture.
    """
    from .weights import load_weights

    file = weights_file(name, path)
    read_card(name, file)
    tensors, card = load_weights(file)
    return build_network(card, tensors, file, build=build), card


def build_network(
    card: WeightCard, tensors: Mapping[str, Tensor], file: Path, *, build: Builder | None = None
) -> nn.Module:
    """The module that a card describes, with these tensors as its weights.

    Args:
        card: of the weights.
        tensors: parameters and buffers by name; the module keeps them, not copies.
        file: named in errors.
        build: makes the module; None takes that of :func:`builder_of`.

    Raises:
        ModelFileError: an architecture that nobody knows, or tensors that do not fit it.
    """
    from .unfilled import Unfilled

    if build is None:
        try:
            build = builder_of(card.architecture)
        except ModelFileError as error:
            raise ModelFileError(f"weight file {file} cannot be used: {error}") from error
    try:
        with Unfilled():
            network = build(card.architecture_config)
        network.load_state_dict(dict(tensors), assign=True)
    except (TypeError, ValueError, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[min(1, len(lines) - 1)] if lines else type(error).__name__
        raise ModelFileError(
            f"weight file {file} (SHA-256 {card.sha256}) does not fit {card.architecture}, the architecture of its "
            f"card ({reason}); export it again from its checkpoint with `wholeface weights export`"
        ) from error
    return network.eval().requires_grad_(False)


def read_card(name: str, file: Path) -> WeightCard:
    """The card of a network's weights.

    Args:
        name: as for :func:`load_network`; where it is one of ours, the card must be of its architecture.
        file: the weights.

    Raises:
        ModelFileError: it is missing, broken, or that of another network.
    """
    from .weights import load_card

    if not file.is_file() and name in METHOD_NETWORKS:
        recipe = METHOD_NETWORKS[name][1]
        raise ModelFileError(
            f"the weights of the {name} network are missing: {file}; train them with `wholeface train {recipe}`, "
            "write the file with `wholeface weights export`, and give its folder as --weights (see docs/methods.md)"
        )
    if not file.is_file():
        raise ModelFileError(
            f"the weights of the {name} network are missing: {file}; install wholeface again, or train and export "
            f"them (`wholeface train {name}`, `wholeface weights export`)"
            if name in NETWORKS
            else f"{file}: no such weight file"
        )
    card = load_card(file)
    kinds: dict[str, str] = {str(key): kind for key, kind in NETWORKS.items()}
    kinds.update({key: kind for key, (kind, _) in METHOD_NETWORKS.items()})
    ours = kinds.get(name)
    if ours is not None and card.architecture != ours and card.architecture in kinds.values():
        raise ModelFileError(
            f"weight file {file} holds a {card.architecture}, but the {name} network is a {ours}; "
            "take the file that belongs there"
        )
    return card
