"""What stages work with: device, face model, networks, seed. Nothing of it belongs to the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from ..core.errors import UsageError
from ..core.short_repr import short_repr
from ..morphable import MorphableModel

if TYPE_CHECKING:
    from torch import nn

    from ..networks.backend import Backend
    from ..networks.registry import Builder
    from ..perceive import FaceParser, LandmarkDetector

__all__ = ["Networks", "Tools"]

_T = TypeVar("_T")


class Networks:
    """The networks of one :class:`Tools`, each loaded when first needed and kept.

    Args:
        backend: what computes them, ``torch`` or ``onnx``.
        weights: folder of other weights; None takes the shipped ones.
        detector: instead of WholeFace's own; any :class:`wholeface.perceive.LandmarkDetector`.
        min_face: height in photo pixels from which WholeFace's own looks for faces; None: the usual one.
        certainty: least certainty of the faces that it keeps; None: the usual one.

    Raises:
        UsageError: another detector, and what tunes WholeFace's own.

    It may be used by several threads, and travels to other processes without what it has loaded.
    """

    def __init__(
        self,
        *,
        backend: Backend = "torch",
        weights: Path | None = None,
        detector: LandmarkDetector | None = None,
        min_face: float | None = None,
        certainty: float | None = None,
    ) -> None:
        if detector is not None and (min_face is not None or certainty is not None):
            raise UsageError(
                "min_face and certainty tune WholeFace's own detector, but another one was given"
            )
        self.min_face = min_face
        self.certainty = certainty
        self.backend: Backend = backend
        self.weights = weights
        self._given = detector
        self._loaded: dict[str, Any] = {}
        self._lock = threading.RLock()

    @property
    def detector(self) -> LandmarkDetector:
        """Finds faces and their landmarks."""
        found: LandmarkDetector = self._once("detector", self._load_detector)
        return found

    @property
    def parser(self) -> FaceParser | None:
        """Says what each pixel of a face shows; None where its weights are not installed."""
        found: FaceParser | None = self._once("parser", self._load_parser)
        return found

    def load(self, name: str, *, build: Builder | None = None) -> nn.Module:
        """A network of one's own, in evaluation mode, loaded once.

        Args:
            name: a key of :data:`wholeface.networks.NETWORKS` or ``METHOD_NETWORKS``, a name that an installed
                package offers, or the path of a ``.safetensors`` file with its card beside it.
            build: makes the module from the card's ``architecture_config``; None takes the builder of the
                architecture that the card names.

        Raises:
            ModelFileError: the weights are missing, damaged, or do not fit.
        """
        from ..networks.registry import METHOD_NETWORKS, NETWORKS, load_network

        folder = self.weights if name in NETWORKS or name in METHOD_NETWORKS else None
        found: nn.Module = self._once(f"network {name}", lambda: load_network(name, folder, build=build)[0])
        return found

    def load_or_shipped(self, name: str) -> nn.Module:
        """As :meth:`load`; of a folder of other weights that lacks this network, the shipped one.

        Args:
            name: see :meth:`load`.

        Raises:
            ModelFileError: the weights are missing, damaged, or do not fit.
        """
        from ..networks.registry import METHOD_NETWORKS, load_network, weights_file

        if (
            name in METHOD_NETWORKS
            and self.weights is not None
            and not weights_file(name, self.weights).is_file()
        ):
            found: nn.Module = self._once(f"shipped network {name}", lambda: load_network(name)[0])
            return found
        return self.load(name)

    def once(self, name: str, load: Callable[[], _T]) -> _T:
        """Whatever else a stage reads from a file: loaded when first asked for, and kept.

        Args:
            name: of the thing, with its path.
            load: reads it.
        """
        found: _T = self._once(name, load)
        return found

    def _once(self, name: str, load: Any) -> Any:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return self._loaded[name]

    def _load_detector(self) -> LandmarkDetector:
        from ..perceive import load_detector
        from ..perceive.certainty import KEPT

        if self._given is not None:
            return self._given
        return load_detector(
            backend=self.backend,
            weights=self.weights,
            min_face=self.min_face,
            certainty=KEPT if self.certainty is None else self.certainty,
        )

    def _load_parser(self) -> FaceParser | None:
        from ..perceive import has_weights, load_parser

        if self.weights is None and not has_weights("parsing"):
            return None
        return load_parser(backend=self.backend, weights=self.weights)

    def __getstate__(self) -> dict[str, Any]:
        kept = ("backend", "weights", "min_face", "certainty", "_given")
        return {name: getattr(self, name) for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _loaded={}, _lock=threading.RLock())


@dataclass(frozen=True)
class Tools:
    """Given to every stage.

    Args:
        model: the face model, on the CPU.
        networks: what was learned.
        device: where stages that can choose compute.
        dtype: of what they compute.
        seed: of whatever is drawn at random.
    """

    model: MorphableModel
    networks: Networks = field(default_factory=Networks)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    seed: int = 0

    __repr__ = short_repr
