"""The networks that WholeFace ships (or other ones of the same kind), from weight files to detectors and parsers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ModelFileError, UsageError
from ._backend import BACKENDS, Backend, NetworkFunction, OnnxNetwork, TorchNetwork
from .certainty import KEPT, CertaintyModel
from .face_detector import FaceDetector
from .face_parser import FaceParser
from .frames import LANDMARK_MARGIN, PARSING_MARGIN
from .labels import OccluderKind, ParsingClass
from .landmark_network import LandmarkCalibration, LandmarkNetwork
from .landmarks import LANDMARK_COUNTS
from .network_detector import NetworkDetector

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ..weights import WeightCard

__all__ = [
    "HASH_KEY",
    "NETWORKS",
    "SHIPPED_WEIGHTS",
    "NetworkName",
    "build_network",
    "has_weights",
    "load_detector",
    "load_network",
    "load_parser",
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
_NOISE = "landmarks_noise.safetensors"
_POINTS = LANDMARK_COUNTS["wholeface668"]


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
    from ..weights import load_weights

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
    from . import networks

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


def load_detector(
    *,
    backend: Backend = "torch",
    max_faces: int = 16,
    thorough: bool = True,
    mirror: bool = True,
    weights: Path | None = None,
    min_face: float | None = None,
    certainty: float = KEPT,
) -> NetworkDetector:
    """The default front end: our face detector and landmark network.

    Args:
        backend: ``torch`` or ``onnx``; see :func:`onnx_export.onnx_model` for the latter.
        max_faces: at most this many faces, the largest ones.
        thorough: search further when the whole photo shows no face.
        mirror: look at each face and at its mirror image; see :class:`LandmarkNetwork`.
        weights: folder of ``detector.safetensors``, ``landmarks.safetensors`` and, where the landmark network's
            errors were measured, ``landmarks_noise.safetensors`` (tensors ``own`` and ``modes`` of
            :class:`LandmarkCalibration`); None takes the shipped ones.
        min_face: height in photo pixels from which faces are wanted; see :class:`FaceDetector`.
        certainty: least certainty of the faces that are kept; see :class:`NetworkDetector`.

    Raises:
        ModelFileError: a weight file is missing, damaged, or does not fit.
        UsageError: an argument is out of range, or a package that the backend needs is not installed.
    """
    faces, card = _function("detector", backend, weights)
    detector = FaceDetector(
        faces,
        size=int(card.architecture_config.get("input_size", 320)),
        max_faces=max_faces,
        thorough=thorough,
        min_face=min_face,
    )
    model = CertaintyModel.of_notes(card.notes)
    points, card = _function("landmarks", backend, weights)
    config, file = card.architecture_config, weights_file("landmarks", weights)
    _expect(file, card, "margin", card.preprocessing.get("margin", LANDMARK_MARGIN), LANDMARK_MARGIN)
    _expect(file, card, "points", config.get("points", _POINTS), _POINTS)
    network = LandmarkNetwork(
        points,
        size=int(config.get("input_size", 128)),
        calibration=_calibration(file, card),
        identity=int(config.get("identity", 0)),
        mirror=mirror,
    )
    return NetworkDetector(detector, network, certainty=certainty, model=model)


def load_parser(*, backend: Backend = "torch", weights: Path | None = None) -> FaceParser:
    """Our face parser.

    Args:
        backend: ``torch`` or ``onnx``.
        weights: folder of ``parsing.safetensors``; None takes the shipped ones.

    Raises:
        ModelFileError: the weight file is missing, damaged, or does not fit.
        UsageError: a package that the backend needs is not installed.
    """
    function, card = _function("parsing", backend, weights)
    config, file = card.architecture_config, weights_file("parsing", weights)
    _expect(file, card, "margin", card.preprocessing.get("margin", PARSING_MARGIN), PARSING_MARGIN)
    _expect(file, card, "classes", config.get("classes", len(ParsingClass)), len(ParsingClass))
    _expect(file, card, "kinds", config.get("kinds", len(OccluderKind)), len(OccluderKind))
    return FaceParser(function, size=int(config.get("input_size", 224)))


def _function(
    name: NetworkName, backend: Backend, weights: Path | None
) -> tuple[NetworkFunction, WeightCard]:
    if backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; choose {' or '.join(BACKENDS)}")
    if backend == "torch":
        network, card = load_network(name, weights)
        return TorchNetwork(network, keep=False), card
    from .onnx_export import onnx_model

    file = weights_file(name, weights)
    card = read_card(name, file)
    model = onnx_model(name, file)
    function = OnnxNetwork(model)
    if function.metadata.get(HASH_KEY) != card.sha256:
        raise ModelFileError(
            f"{model!r:.300} was not made from {file}; write it again with "
            f"`wholeface weights onnx {file}`, or remove it"
        )
    return function, card


def read_card(name: NetworkName, file: Path) -> WeightCard:
    """The card of a network's weights.

    Args:
        name: a key of :data:`NETWORKS`.
        file: the weights.

    Raises:
        ModelFileError: it is missing, broken, or that of another network.
    """
    from ..weights import load_card

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


def _expect(file: Path, card: WeightCard, what: str, found: Any, needed: float) -> None:
    if found != needed:
        raise ModelFileError(
            f"weight file {file} ({card.name} {card.version}) was made for {what} = {found}, but this version of "
            f"wholeface works with {needed}; update wholeface or train the network again"
        )


def _calibration(landmarks: Path, card: WeightCard) -> LandmarkCalibration | None:
    """What lies in ``landmarks_noise.safetensors`` beside the landmark network, or None.

    Raises:
        ModelFileError: it is damaged, misses a tensor, or was measured on other weights.
    """
    from ..weights import load_weights

    file = landmarks.with_name(_NOISE)
    if not file.is_file():
        return None
    tensors, noise = load_weights(file)
    measured_on = noise.notes.get("weights_sha256", card.sha256)
    if measured_on != card.sha256:
        raise ModelFileError(
            f"{file} tells the errors of landmark weights with the SHA-256 {measured_on}, but {landmarks.name} "
            f"beside it has {card.sha256}; measure them again, or remove the file"
        )
    own, modes = tensors.get("own"), tensors.get("modes")
    if own is None or modes is None or own.shape != (_POINTS, 2) or modes.shape[1:] != (_POINTS, 2):
        shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
        raise ModelFileError(
            f"{file} must hold own ({_POINTS}, 2) and modes (any, {_POINTS}, 2), but holds {shapes}; "
            "measure them again, or remove the file"
        )
    return LandmarkCalibration(own.double().numpy(), modes.double().numpy())
