"""Spectacles: frame, clear lens and dark lens in the band of the eyes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.errors import DataError
from ....networks import EyewearNet, EyewearNetConfig, EyewearOutput, channels_last
from ....perceive import IGNORE, EyewearPart
from ....perceive.frames import EYEWEAR_MARGIN
from ...data.stores.shared import SharedStore
from ..engine.initial import borrow, start_from
from ..losses import eyewear_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.colour import jitter_colours
from ..transforms.crops import CropJitter, band_matrices, crop_images, crop_labels
from ._sources import SOURCES

__all__ = ["RECIPE", "EyewearRecipeConfig"]

_COLOURS = np.array([(0, 0, 0), (255, 60, 60), (60, 220, 60), (60, 110, 255)], dtype=np.uint8)
_WORN = 0.002  # share of a band from which spectacles count as there
_CHECKED = 400  # samples at most in a validation


@dataclass(frozen=True)
class EyewearRecipeConfig(TrainConfig):
    """Settings of the eyewear network's training.

    Args:
        stores: folders of stored training samples with the field ``eyewear``.
        check: folders of stored held-out samples.
        initial: checkpoint of the same network whose weights to start from, or none.
        parser: weights of a parsing network whose layers to take over where they fit, or none.
        input_width: width of the network's input in pixels, a multiple of 32.
        input_height: its height.
        width: factor on the network's channels.
        jitter: factor on the errors of placing the band.
        coarse: share of bands that are shown as of a smaller face: reduced up to four times and enlarged again.
    """

    stores: tuple[Path, ...] = ()
    check: tuple[Path, ...] = ()
    initial: Path | None = None
    parser: Path | None = None
    input_width: int = 320
    input_height: int = 160
    width: float = 0.75
    jitter: float = 1.0
    coarse: float = 0.4
    steps: int = 4_000
    batch_size: int = 16
    learning_rate: float = 1.5e-3
    warmup: int = 100
    validate_every: int = 500


class EyewearTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: EyewearRecipeConfig) -> None:
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore(config.check) if config.check else None
        network = EyewearNet(
            EyewearNetConfig(len(EyewearPart), config.input_width, config.input_height, config.width)
        )
        borrow(network, config.parser)
        start_from(network, config.initial)
        self.network: nn.Module = channels_last(network)
        self.train_size = len(self.store)
        self.preprocessing = {"margin": EYEWEAR_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._jitter = CropJitter(0.10, 0.03, 0.06, wild=0.1).scaled(config.jitter)

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered bands, some of them coarse, and their maps."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        batch = self._batch([self.store[int(i)] for i in indices], rng, self._jitter)
        images = batch["image"]
        for i in np.flatnonzero(rng.random(len(images)) < self.config.coarse):
            images[i] = _coarsened(images[i], float(np.exp(rng.uniform(0, np.log(4.0)))))
        return {**batch, "image": jitter_colours(images, generator)}

    def _batch(
        self, rows: list[dict[str, NDArray[Any]]], rng: np.random.Generator, jitter: CropJitter
    ) -> Batch:
        if any("eyewear" not in row for row in rows):
            raise DataError(
                "a store holds no 'eyewear'; take e0 and e1 (python -m wholeface.lab.data.stores.shipped), or build "
                "others with that field"
            )
        shape = (self.config.input_height, self.config.input_width)
        dense = np.stack([row["dense"] for row in rows])
        matrices, _ = band_matrices(dense, shape[1], shape[0], rng, jitter)
        return {
            "image": crop_images([row["image"] for row in rows], matrices, shape),
            "eyewear": crop_labels([row["eyewear"] for row in rows], matrices, shape, IGNORE),
        }

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """See :func:`eyewear_loss`."""
        del progress
        raw = network(batch["image"].contiguous(memory_format=torch.channels_last))
        parts = eyewear_loss(self._read(raw), batch["eyewear"])
        return {
            "loss": parts.total,
            "parts": parts.parts,
            "overlap": parts.overlap,
            "presence": parts.presence,
        }

    def _read(self, raw: Tensor) -> EyewearOutput:
        network = self.network
        assert isinstance(network, EyewearNet)
        return network.read(raw)

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Pooled IoU of each part and of the extent, and how well spectacles are told from none."""
        if self.check is None:
            return {}
        count = len(EyewearPart)
        confusion = torch.zeros(count, count, dtype=torch.long)
        scores, worn = [], []
        rows_of = np.unique(np.linspace(0, len(self.check) - 1, min(_CHECKED, len(self.check))).astype(int))
        for start in range(0, len(rows_of), 20):
            rows = [self.check[int(i)] for i in rows_of[start : start + 20]]
            batch = self._batch(rows, np.random.default_rng(start), CropJitter(0.05, 0.015, 0.03, 0, 0))
            raw = network(batch["image"].to(device).contiguous(memory_format=torch.channels_last))
            found, truth = self._read(raw.float().cpu()), batch["eyewear"]
            known = truth != IGNORE
            confusion += torch.bincount(
                truth[known] * count + found.parts.argmax(1)[known], minlength=count**2
            ).view(count, count)
            scores.append(found.presence)
            worn.append(((truth > 0) & known).float().mean((1, 2)) > _WORN)
        there, score = torch.cat(worn).numpy(), torch.cat(scores).numpy()
        result = {
            "frame_iou": _iou(confusion, 1),
            "clear_iou": _iou(confusion, 2),
            "dark_iou": _iou(confusion, 3),
        }
        result["extent_iou"] = 1 - float(
            (confusion[0, 1:].sum() + confusion[1:, 0].sum())
            / (confusion.sum() - confusion[0, 0]).clamp_min(1)
        )
        result["found"] = float((score[there] > 0).mean()) if there.any() else float("nan")
        result["false"] = float((score[~there] > 0).mean()) if (~there).any() else float("nan")
        return result

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out bands: the image, the truth, what is found."""
        if self.check is None:
            return None
        picked = np.unique(np.linspace(0, len(self.check) - 1, 24).astype(int))
        batch = self._batch(
            [self.check[int(i)] for i in picked], np.random.default_rng(0), CropJitter(0, 0, 0, 0, 0)
        )
        raw = network(batch["image"].to(device).contiguous(memory_format=torch.channels_last))
        found = self._read(raw.float().cpu()).parts.argmax(1).numpy()
        truth = np.where(batch["eyewear"].numpy() == IGNORE, 0, batch["eyewear"].numpy())
        shown = (batch["image"].permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
        tiles = np.concatenate(
            [shown, shown // 2 + _COLOURS[truth] // 2, shown // 2 + _COLOURS[found] // 2], axis=2
        )
        pairs = [np.concatenate(list(tiles[i : i + 2]), axis=1) for i in range(0, len(tiles) - 1, 2)]
        return np.concatenate(pairs, axis=0)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


def _coarsened(image: Tensor, factor: float) -> Tensor:
    """An image (3, H, W) reduced by a factor and enlarged again."""
    height, width = image.shape[-2:]
    small = (max(8, round(height / factor)), max(16, round(width / factor)))
    reduced = F.interpolate(image[None], small, mode="bilinear", align_corners=False, antialias=True)
    return F.interpolate(reduced, (height, width), mode="bilinear", align_corners=False)[0]


def _iou(confusion: Tensor, part: int) -> float:
    both = confusion[part, part]
    return float(both / (confusion[part].sum() + confusion[:, part].sum() - both).clamp_min(1))


RECIPE = Recipe(
    name="eyewear",
    summary="spectacles in the band of the eyes: frame, clear lens, dark lens",
    config=EyewearRecipeConfig,
    build=EyewearTask,
    sources=SOURCES,
)
