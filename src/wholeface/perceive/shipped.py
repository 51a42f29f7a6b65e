"""The networks that WholeFace ships (or other ones of the same kind), from weight files to detectors and parsers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import ModelFileError, UsageError
from ..networks.backend import BACKENDS, Backend, NetworkFunction, OnnxNetwork, TorchNetwork
from ..networks.registry import HASH_KEY, NetworkName, has_weights, load_network, read_card, weights_file
from .certainty import KEPT, CertaintyModel
from .eyewear import EyewearNetwork
from .face_detector import FaceDetector
from .face_parser import FaceParser
from .frames import EYEWEAR_MARGIN, LANDMARK_MARGIN, PARSING_MARGIN
from .labels import EyewearPart, OccluderKind, ParsingClass
from .landmark_network import LandmarkCalibration, LandmarkNetwork
from .landmarks import LANDMARK_COUNTS
from .network_detector import NetworkDetector

if TYPE_CHECKING:
    from ..networks.weights import WeightCard

__all__ = [
    "load_detector",
    "load_eyewear",
    "load_parser",
]


_NOISE = "landmarks_noise.safetensors"
_POINTS = LANDMARK_COUNTS["wholeface668"]


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
    """Our face parser, with the network of spectacles where its weights are there.

    Args:
        backend: ``torch`` or ``onnx``.
        weights: folder of ``parsing.safetensors`` and, perhaps, ``eyewear.safetensors``; None takes the shipped ones.

    Raises:
        ModelFileError: the weight file is missing, damaged, or does not fit.
        UsageError: a package that the backend needs is not installed.
    """
    function, card = _function("parsing", backend, weights)
    config, file = card.architecture_config, weights_file("parsing", weights)
    _expect(file, card, "margin", card.preprocessing.get("margin", PARSING_MARGIN), PARSING_MARGIN)
    _expect(file, card, "classes", config.get("classes", len(ParsingClass)), len(ParsingClass))
    _expect(file, card, "kinds", config.get("kinds", len(OccluderKind)), len(OccluderKind))
    eyewear = (
        load_eyewear(backend=backend, weights=weights) if has_weights("eyewear", weights=weights) else None
    )
    return FaceParser(function, eyewear=eyewear, size=int(config.get("input_size", 224)))


def load_eyewear(*, backend: Backend = "torch", weights: Path | None = None) -> EyewearNetwork:
    """Our network of spectacles.

    Args:
        backend: ``torch`` or ``onnx``.
        weights: folder of ``eyewear.safetensors``; None takes the shipped ones.

    Raises:
        ModelFileError: the weight file is missing, damaged, or does not fit.
        UsageError: a package that the backend needs is not installed.
    """
    function, card = _function("eyewear", backend, weights)
    config, file = card.architecture_config, weights_file("eyewear", weights)
    _expect(file, card, "margin", card.preprocessing.get("margin", EYEWEAR_MARGIN), EYEWEAR_MARGIN)
    _expect(file, card, "parts", config.get("parts", len(EyewearPart)), len(EyewearPart))
    width, height = int(config.get("input_width", 320)), int(config.get("input_height", 160))
    return EyewearNetwork(function, width=width, height=height)


def _function(
    name: NetworkName, backend: Backend, weights: Path | None
) -> tuple[NetworkFunction, WeightCard]:
    if backend not in BACKENDS:
        raise UsageError(f"unknown backend {backend!r}; choose {' or '.join(BACKENDS)}")
    if backend == "torch":
        network, card = load_network(name, weights)
        return TorchNetwork(network, keep=False), card
    from ..networks.onnx_export import onnx_model

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
    from ..networks.weights import load_weights

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
