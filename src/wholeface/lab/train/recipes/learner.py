"""The learner of Rana, as published, from another system's coefficient files and the pictures that it saw.

The teacher's coefficients of the clean picture are the target; the learner sees the picture with a part of arbitrary
pixel values. Any of DECA's or Deep3D's files will do (:mod:`wholeface.lab.data.teachers`); what may be done with the
result is a matter of their licences.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import DataError, UsageError
from ....morphable import LAYOUTS
from ....networks import ParameterNet, ParameterNetConfig, channels_last
from ....photo import Similarity, read_photo, warp
from ...data.teachers import TaughtLayout, read_coefficients, taught_photos
from ..engine.initial import start_from
from ..losses import block_mse, coefficient_mse
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.augment import erase

__all__ = ["RECIPE", "LearnerConfig"]

_HELD_OUT = 10  # every tenth picture is for validation
_CHECKED = 200
_LEAST_SPREAD = 1e-3


@dataclass(frozen=True)
class LearnerConfig(TrainConfig):
    """Settings of the learner's training.

    Args:
        photos: folder of pictures, cropped as the teacher saw them.
        coefficients: folder of its files, of the same names.
        layout: 236 (DECA) or 257 (Deep3D).
        initial: checkpoint whose weights to start from, or none.
        loss: mse (as published) or scaled (each coefficient in units of its spread, blocks alike).
        backbone: resnet50 (as published) or compact.
        input_size: edge of the network's input in pixels.
        width: factor on the channels of the compact backbone.
        pixels: share of pictures with a part of arbitrary pixel values.
        largest: axis of that part over the picture's edge.
    """

    photos: Path | None = None
    coefficients: Path | None = None
    layout: Literal["236", "257"] = "236"
    initial: Path | None = None
    loss: Literal["mse", "scaled"] = "mse"
    backbone: Literal["resnet50", "compact"] = "resnet50"
    input_size: int = 224
    width: float = 1.0
    pixels: float = 0.8
    largest: float = 0.6
    steps: int = 50_000
    batch_size: int = 32
    learning_rate: float = 1e-4
    validate_every: int = 1000


class LearnerTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: LearnerConfig) -> None:
        if config.photos is None or config.coefficients is None:
            raise UsageError(
                "this recipe needs pictures and what a teacher said of them: --set photos=FOLDER --set "
                "coefficients=FOLDER (see docs/methods.md)"
            )
        if not 0 <= config.pixels <= 1:
            raise UsageError(f"pixels is a share and must lie between 0 and 1, got {config.pixels}")
        self.config = config
        layout: TaughtLayout = config.layout
        self.layout = LAYOUTS[layout]
        pairs = taught_photos(config.photos, config.coefficients)
        if len(pairs) < 2:
            raise DataError(f"{config.photos}: one picture teaches nothing; at least 2 are needed")
        vectors = np.stack([read_coefficients(pair.coefficients, layout) for pair in pairs])
        held_out = np.arange(len(pairs)) % _HELD_OUT == _HELD_OUT - 1
        self._photos = [pair.photo for pair, out in zip(pairs, held_out) if not out]
        self._vectors = torch.from_numpy(vectors[~held_out])
        self._held_out = [pair.photo for pair, out in zip(pairs, held_out) if out][:_CHECKED]
        self._told = torch.from_numpy(vectors[held_out])[:_CHECKED]
        mean = self._vectors.mean(dim=0)
        spread = self._vectors.std(dim=0, correction=0).clamp_min(_LEAST_SPREAD)
        self._spread = self.layout.split(spread)
        network = ParameterNet(
            ParameterNetConfig(self.layout.blocks, config.backbone, config.input_size, config.width)
        )
        network.set_statistics(mean, spread)
        start_from(network, config.initial)
        self.network: nn.Module = channels_last(network)
        self.train_size = len(self._photos)
        self.preprocessing = {"crop": "as the teacher's", "range": [0, 1], "colour": "sRGB"}

    def _images(self, photos: list[Path]) -> Tensor:
        """(N, 3, S, S) in [0, 1]."""
        size = self.config.input_size
        shown = []
        for path in photos:
            pixels = read_photo(path).pixels
            height, width = pixels.shape[:2]
            whole = Similarity.from_box((-0.5, -0.5, width - 0.5, height - 0.5), (size, size))
            shown.append(warp(pixels, whole, (size, size), fill="edge"))
        return torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float() / 255

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Pictures with a part of arbitrary pixel values, and what the teacher said of the clean ones."""
        images = self._images([self._photos[int(i)] for i in indices]).contiguous()
        erase(images, generator, self.config.pixels, self.config.largest)
        return {"image": images, "vector": self._vectors[torch.from_numpy(indices)]}

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The mean squared difference of the coefficients, or of the scaled ones."""
        del progress
        found = network(batch["image"].contiguous(memory_format=torch.channels_last)).float()
        wanted = batch["vector"]
        mse = coefficient_mse(found, wanted)
        if self.config.loss == "mse":
            return {"loss": mse}
        spread = {name: sigma.to(found) for name, sigma in self._spread.items()}
        return {"loss": block_mse(self.layout.split(found), self.layout.split(wanted), spread), "mse": mse}

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Mean squared difference from the teacher, clean and covered held-out pictures; and between these."""
        if not self._held_out:
            return {}
        found: dict[str, list[Tensor]] = {"clean": [], "covered": []}
        generator = torch.Generator().manual_seed(0)
        for start in range(0, len(self._held_out), 20):
            images = self._images(self._held_out[start : start + 20]).contiguous()
            covered = images.clone()
            erase(covered, generator, 1.0, self.config.largest)
            for name, shown in (("clean", images), ("covered", covered)):
                batch = shown.to(device).contiguous(memory_format=torch.channels_last)
                found[name].append(network(batch).float().cpu())
        clean, hidden = (torch.cat(found[name]) for name in ("clean", "covered"))
        return {
            "mse_clean": float(coefficient_mse(clean, self._told)),
            "mse_covered": float(coefficient_mse(hidden, self._told)),
            "change": float(coefficient_mse(hidden, clean)),
        }

    def describe(self, indices: NDArray[np.int64]) -> str:
        """The pictures."""
        return ", ".join(self._photos[int(i)].name for i in indices)


RECIPE = Recipe(
    name="learner",
    summary="another system's coefficients from pictures that are partly hidden, as published (Rana)",
    config=LearnerConfig,
    build=LearnerTask,
    licence="of the teacher",
    sources=("pictures and a teacher's coefficient files of the user's own",),
    paper="Rana, 3D Face Reconstruction from Occluded Images",
)
