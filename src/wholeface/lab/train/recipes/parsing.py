"""N_α: parsing map, kind of occluder and the whole face, from images with and without occluders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ....networks import ParsingNet, ParsingNetConfig, ParsingOutput, channels_last
from ....perceive import FACE_CLASSES, IGNORE, OccluderKind, ParsingClass
from ....perceive.face_parser import mirrored_classes
from ....perceive.frames import PARSING_MARGIN
from ...data.stores.fields import KNOWN
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..losses import parsing_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.colour import jitter_colours
from ..transforms.crops import CropJitter, crop_images, crop_labels, crop_matrices
from ._sources import SOURCES

__all__ = ["PALETTE", "RECIPE", "ParsingRecipeConfig"]

# fmt: off
PALETTE = np.array([
    (0, 0, 0), (230, 180, 150), (240, 140, 100), (255, 255, 0), (0, 90, 255), (0, 170, 255), (110, 60, 20),
    (150, 90, 40), (200, 100, 200), (160, 60, 160), (120, 0, 0), (255, 60, 90), (200, 20, 60), (60, 40, 120),
    (20, 140, 90), (255, 215, 0), (180, 255, 180), (190, 150, 120), (60, 110, 150), (0, 255, 0),
], dtype=np.uint8)
# fmt: on
"""(20, 3) colours of :class:`ParsingClass` in images."""


_LARGE = {
    ParsingClass.BACKGROUND, ParsingClass.SKIN, ParsingClass.HAIR, ParsingClass.CLOTH, ParsingClass.NECK,
}  # fmt: skip


@dataclass(frozen=True)
class ParsingRecipeConfig(TrainConfig):
    """Settings of the parsing network's training.

    Args:
        stores: folders of stored training samples.
        check: folder of stored held-out samples.
        initial: checkpoint whose weights to start from, or none.
        clean: share of images shown without their occluders.
        input_size: edge of the network's input in pixels, a multiple of 32.
        width: factor on the network's channels.
        jitter: factor on the errors of placing the crop.
        rare_weight: weight of small classes (eyes, brows, lips, glasses …) in the cross entropy.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    clean: float = 0.12
    input_size: int = 224
    width: float = 0.75
    jitter: float = 1.0
    rare_weight: float = 2.0
    steps: int = 8_000
    batch_size: int = 16
    learning_rate: float = 2e-3
    warmup: int = 100
    validate_every: int = 1000


class ParsingTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: ParsingRecipeConfig) -> None:
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore((config.check,)) if config.check is not None else None
        network = ParsingNet(
            ParsingNetConfig(len(ParsingClass), len(OccluderKind), config.input_size, config.width)
        )
        self.network: nn.Module = channels_last(network)
        start_from(self.network, config.initial)
        self.train_size = len(self.store)
        self.preprocessing = {"margin": PARSING_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._swap = torch.from_numpy(np.append(mirrored_classes(), np.zeros(256 - len(ParsingClass), int)))
        self._swap[IGNORE] = IGNORE
        common = {
            ParsingClass.BACKGROUND,
            ParsingClass.SKIN,
            ParsingClass.HAIR,
            ParsingClass.CLOTH,
            ParsingClass.NECK,
        }
        self._weight = torch.tensor([1.0 if c in common else config.rare_weight for c in ParsingClass])
        self._jitter = CropJitter(0.10, 0.04, 0.10, wild=0.1).scaled(config.jitter)

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops, and their maps at half the size."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self.store[int(i)] for i in indices]
        bare = rng.random(len(rows)) < self.config.clean
        return self._batch(rows, bare, self.config.input_size, rng, self._jitter, generator, halved=True)

    def _batch(
        self,
        rows: list[dict[str, NDArray[Any]]],
        bare: NDArray[np.bool_],
        size: int,
        rng: np.random.Generator,
        jitter: CropJitter,
        generator: torch.Generator | None,
        *,
        halved: bool = False,
    ) -> Batch:
        dense = np.stack([row["dense"] for row in rows])
        matrices, mirrored = crop_matrices(dense, size, PARSING_MARGIN, rng, jitter)
        images = crop_images([r["clean"] if b else r["image"] for r, b in zip(rows, bare)], matrices, size)
        if generator is not None:
            images = jitter_colours(images, generator)
        known = np.stack([row["known"] for row in rows])
        if halved:  # the maps at the network's output resolution: u' = (u + 1/2) / 2 - 1/2
            matrices = matrices / 2
            matrices[:, :, 2] -= 0.25
            size //= 2
        parsing = crop_labels([row["parsing"] for row in rows], matrices, size, IGNORE)
        occluder = crop_labels([row["occluder"] for row in rows], matrices, size, IGNORE)
        face = crop_labels([row["face"] for row in rows], matrices, size, 0).bool()
        parsing = torch.where(mirrored[:, None, None], self._swap[parsing], parsing)
        clean = torch.from_numpy(bare)[:, None, None]
        # Under a removed occluder the class is not recorded; what covered nothing keeps its class.
        parsing = torch.where(clean & (occluder > 0), IGNORE, parsing)
        occluder = torch.where(clean & (occluder != IGNORE), 0, occluder)
        for name, labels in (("parsing", parsing), ("occluder", occluder)):
            labels[torch.from_numpy(~known[:, KNOWN.index(name)])] = IGNORE
        return {"image": images, "parsing": parsing, "occluder": occluder, "face": face}

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All maps at half the input's resolution."""
        del progress
        raw = network(batch["image"].contiguous(memory_format=torch.channels_last))
        parts = parsing_loss(
            self._read(raw),
            batch["parsing"],
            batch["occluder"],
            batch["face"],
            class_weight=self._weight.to(raw.device),
        )
        return {
            "loss": parts.total,
            "parsing": parts.parsing,
            "kind": parts.kind,
            "occluder": parts.occluder,
            "face": parts.face,
        }

    def _read(self, raw: Tensor) -> ParsingOutput:
        network = self.network
        assert isinstance(network, ParsingNet)
        return network.read(raw)

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Pooled occluder IoU and visible-face F1 inside the face, and mean IoU of the classes."""
        if self.check is None:
            return {}
        classes = len(ParsingClass)
        confusion = torch.zeros(classes, classes, dtype=torch.long)
        both = either = 0
        f1 = []
        for start in range(0, min(400, len(self.check)), 25):
            rows = [self.check[i] for i in range(start, min(start + 25, len(self.check)))]
            batch = self._batch(
                rows, np.zeros(len(rows), bool), self.config.input_size, np.random.default_rng(start),
                CropJitter(0.04, 0.02, 0.04, 0, 0), None,
            )  # fmt: skip
            raw = network(batch["image"].to(device).contiguous(memory_format=torch.channels_last))
            raw = F.interpolate(raw, scale_factor=2.0, mode="bilinear", align_corners=False).cpu()
            found = self._read(raw)
            known = batch["parsing"] != IGNORE
            confusion += torch.bincount(
                batch["parsing"][known] * classes + found.parsing.argmax(1)[known], minlength=classes**2
            ).view(classes, classes)
            other = 1 - found.parsing.softmax(1)[:, list(FACE_CLASSES)].sum(1)
            hidden = (0.5 * (1 - found.kind.softmax(1)[:, 0] + other)) > 0.5
            inside = batch["face"] & (batch["occluder"] != IGNORE)
            truth = batch["occluder"] > 0
            both += int((hidden & truth & inside).sum())
            either += int(((hidden | truth) & inside).sum())
            for h, t, i in zip(hidden, truth, inside):
                seen = int((~h & ~t & i).sum())
                precision = seen / max(int((~h & i).sum()), 1)
                recall = seen / max(int((~t & i).sum()), 1)
                f1.append(2 * precision * recall / max(precision + recall, 1e-9))
        diagonal = confusion.diag().float()
        union = confusion.sum(0) + confusion.sum(1) - confusion.diag()
        iou = (diagonal / union.clamp_min(1))[confusion.sum(1) > 0]
        return {
            "occluder_iou": both / max(either, 1),
            "visible_f1": float(np.mean(f1)),
            "class_iou": float(iou.mean()),
            "class_accuracy": float(diagonal.sum() / confusion.sum().clamp_min(1)),
        }

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out images: the image, the parsing map found, the occluder found (red) and missed (blue)."""
        if self.check is None:
            return None
        rows = [self.check[i] for i in range(16)]
        batch = self._batch(
            rows,
            np.zeros(16, bool),
            self.config.input_size,
            np.random.default_rng(0),
            CropJitter(0, 0, 0, 0, 0),
            None,
        )
        raw = network(batch["image"].to(device).contiguous(memory_format=torch.channels_last))
        found = self._read(F.interpolate(raw, scale_factor=2.0, mode="bilinear", align_corners=False).cpu())
        shown = (batch["image"].permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8)
        maps = PALETTE[found.parsing.argmax(1).numpy()]
        hidden = (found.kind.argmax(1) > 0) & batch["face"]
        truth = (batch["occluder"] > 0) & (batch["occluder"] != IGNORE) & batch["face"]
        marks = shown // 2
        marks[hidden.numpy()] |= np.array([128, 0, 0], np.uint8)
        marks[(truth & ~hidden).numpy()] |= np.array([0, 0, 128], np.uint8)
        marks[(truth & hidden).numpy()] |= np.array([0, 100, 0], np.uint8)
        tiles = np.concatenate([shown, maps, marks], axis=2)
        return np.concatenate(
            [np.concatenate(list(tiles[i : i + 2]), axis=1) for i in range(0, 16, 2)], axis=0
        )

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


RECIPE = Recipe(
    name="parsing",
    summary="parsing map, kind of occluder and the whole face (N_alpha of Zhao & Qi, §3.2)",
    config=ParsingRecipeConfig,
    build=ParsingTask,
    sources=SOURCES,
    paper="Zhao & Qi, Generative face parsing map guided 3D face reconstruction under occluded scenes",
)
