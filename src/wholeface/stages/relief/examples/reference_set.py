"""Relief of many people, small enough to ship: what hidden places are filled from."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import ModelFileError, UsageError
from ....core.short_repr import short_repr
from ....networks.weights import WeightCard, load_weights, save_weights
from .frame import ReferenceFrame

__all__ = ["SHIPPED_REFERENCES", "ReferenceSet", "load_references", "save_references"]

SHIPPED_REFERENCES = Path(__file__).resolve().parents[3] / "assets" / "relief_references.safetensors"
"""The set that comes with the package."""

_UNKNOWN = 0  # code of a texel of which nothing is known; 128 is no relief
_TENSORS = ("places", "landmarks", "viewpoints", "embeddings", "starts", "streams")


@dataclass(frozen=True)
class ReferenceSet:
    """Reference bump maps with the viewpoint of their photos and an embedding of each subject.

    No photo and no texture is in it; of a face's shape, what the embedding tells.

    Args:
        frame: in which the relief lies.
        viewpoints: (N, 2) float32 degrees, yaw and pitch.
        embeddings: (N, D) float32 unit vectors.
        starts: (N + 1,) int64, where each stream begins.
        streams: (B,) uint8, the relief of one subject after the other, each a greyscale PNG of H × W: 0 where
            nothing is known, else 128 + displacement / step.
        step: mm.
        card: what it was made from; ``notes["embedding"]`` names the embedding.
    """

    frame: ReferenceFrame
    viewpoints: NDArray[np.float32]
    embeddings: NDArray[np.float32]
    starts: NDArray[np.int64]
    streams: NDArray[np.uint8]
    step: float
    card: WeightCard

    __repr__ = short_repr

    def __len__(self) -> int:
        return len(self.viewpoints)

    @property
    def embedding(self) -> str:
        """Name of the embedding by which the subjects can be compared."""
        return str(self.card.notes.get("embedding", ""))

    def relief(self, index: int) -> NDArray[np.float32]:
        """(H, W) float32 mm along the outer normal; NaN where nothing is known, and beside the face.

        Raises:
            ModelFileError: the stream is damaged.
        """
        stream = self.streams[self.starts[index] : self.starts[index + 1]].tobytes()
        return _decoded(stream, self.frame.shape, self.step)


def save_references(
    path: str | os.PathLike[str],
    frame: ReferenceFrame,
    relief: Sequence[NDArray[np.float32]],
    viewpoints: NDArray[np.floating[Any]],
    embeddings: NDArray[np.floating[Any]],
    card: WeightCard,
    *,
    step: float = 0.02,
) -> WeightCard:
    """Write a set and its card; the same input gives the same bytes.

    Args:
        path: file to write, ending in ``.safetensors``; the card goes beside it.
        frame: of all relief.
        relief: N of (H, W) mm, NaN where nothing is known; cut at ±127 steps.
        viewpoints: (N, 2) degrees.
        embeddings: (N, D); stored as bytes, normalised when they are read.
        card: its ``notes`` must name the ``embedding``.
        step: mm between two codes.

    Returns:
        The card as written.

    Raises:
        UsageError: nothing to write, shapes that do not fit, or a card without the name of the embedding.
    """
    count = len(relief)
    if count == 0 or viewpoints.shape != (count, 2) or embeddings.ndim != 2 or len(embeddings) != count:
        raise UsageError(
            f"{count} reliefs, viewpoints {viewpoints.shape} and embeddings {embeddings.shape} are no references"
        )
    if any(one.shape != frame.shape for one in relief):
        raise UsageError(f"each relief must have the frame's shape {frame.shape}")
    if not card.notes.get("embedding"):
        raise UsageError(
            'the card of a set of references needs the name of the embedding: notes["embedding"]'
        )
    streams = [_encoded(one, step) for one in relief]
    starts = np.concatenate([[0], np.cumsum([len(s) for s in streams])]).astype(np.int64)
    scale = np.abs(embeddings).max(axis=1, keepdims=True)
    codes = np.round(127 * embeddings / np.maximum(scale, 1e-12)).astype(np.int8)
    tensors = {
        "places": torch.from_numpy(frame.places).half(),
        "landmarks": torch.from_numpy(frame.landmarks),
        "viewpoints": torch.from_numpy(np.ascontiguousarray(viewpoints, np.float32)),
        "embeddings": torch.from_numpy(codes),
        "starts": torch.from_numpy(starts),
        "streams": torch.from_numpy(np.frombuffer(b"".join(streams), np.uint8).copy()),
    }
    return save_weights(path, tensors, replace(card, notes={**card.notes, "step_mm": float(step)}))


def load_references(path: str | os.PathLike[str] = SHIPPED_REFERENCES) -> ReferenceSet:
    """Read a set of references.

    Args:
        path: the ``.safetensors`` file, its card beside it.

    Raises:
        ModelFileError: missing, damaged, or something else.
    """
    source = Path(path)
    if not source.is_file():
        raise ModelFileError(
            f"there is no set of reference relief at {source}; install wholeface again, or make a set from photos "
            "(docs/methods.md says how)"
        )
    tensors, card = load_weights(source)
    missing = sorted(set(_TENSORS) - set(tensors))
    if missing:
        raise ModelFileError(f"{source} is no set of reference relief: it lacks {', '.join(missing)}")
    arrays = {name: tensors[name].numpy() for name in _TENSORS}
    count = len(arrays["viewpoints"])
    starts, step = arrays["starts"].astype(np.int64), float(card.notes.get("step_mm") or 0)
    sound = (
        count > 0
        and arrays["places"].ndim == 3
        and arrays["places"].shape[2] == 3
        and arrays["landmarks"].shape == (68, 3)
        and arrays["viewpoints"].shape == (count, 2)
        and arrays["embeddings"].ndim == 2
        and len(arrays["embeddings"]) == count
        and starts.shape == (count + 1,)
        and starts[0] == 0
        and starts[-1] == len(arrays["streams"])
        and (np.diff(starts) > 0).all()
        and step > 0
    )
    if not sound:
        raise ModelFileError(f"{source} is no sound set of reference relief: its tensors do not fit together")
    embeddings = arrays["embeddings"].astype(np.float32)
    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    frame = ReferenceFrame(arrays["places"].astype(np.float32), arrays["landmarks"].astype(np.float32))
    return ReferenceSet(
        frame,
        arrays["viewpoints"].astype(np.float32),
        embeddings,
        starts,
        arrays["streams"],
        step,
        card,
    )


def _encoded(relief: NDArray[np.float32], step: float) -> bytes:
    known = np.isfinite(relief)
    codes = np.clip(np.round(np.where(known, relief, 0) / step), -127, 127) + 128
    stream = io.BytesIO()
    Image.fromarray(np.where(known, codes, _UNKNOWN).astype(np.uint8)).save(stream, "png", optimize=True)
    return stream.getvalue()


def _decoded(stream: bytes, shape: tuple[int, int], step: float) -> NDArray[np.float32]:
    try:
        with Image.open(io.BytesIO(stream), formats=("PNG",)) as image:
            if image.size != (shape[1], shape[0]) or image.mode != "L":
                raise ModelFileError(f"a reference is {image.size} {image.mode}, not {shape[1]}×{shape[0]} L")
            codes = np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        raise ModelFileError(f"a reference of the set is damaged: {error}") from error
    found: NDArray[np.float32] = np.where(
        codes == _UNKNOWN, np.float32(np.nan), (codes.astype(np.float32) - 128) * np.float32(step)
    )
    return found
