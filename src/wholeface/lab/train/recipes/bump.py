"""Image to bump map as published: RGB in, depth along the viewing ray out, equation 5, plain SGD."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import UsageError
from ....networks import BumpNet, BumpNetConfig, channels_last
from ....stages.relief import FRAME_MARGIN
from ....stages.relief.bump import BUMP_REACH, along_normal, along_ray, decode_bump, encode_bump
from ...data.relief import ReliefStore
from ..engine.initial import start_from
from ..losses.relief import bump_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..schedule import Phase, Schedule, StepDecay
from ._relief_scores import mean_scores, relief_scores
from ._sources import RELIEF
from ._synthesis import channels_last_images, images_side_by_side

__all__ = ["RECIPE", "BumpRecipeConfig"]

_SHOWN = 12


@dataclass(frozen=True)
class BumpRecipeConfig(TrainConfig):
    """Settings of the bump map network's training; the values are the paper's where it tells them.

    150 epochs of 4,200 images in batches of 4 are 157,500 steps.

    Args:
        stores: folders of samples, made by ``python -m wholeface.lab.data.relief --size 500``.
        check: folder of samples of other subjects.
        initial: checkpoint or weights to start from, or none.
        input_size: edge of images and bump maps in pixels, that of the stores.
        width: channels of the first block.
        blocks: of the encoder.
        versions: how often each face is met before the order repeats, each time with other folds.
        checked: samples of ``check`` that are scored at most.
        momentum: of the gradient descent; the paper does not tell.
        decay_every: steps after which the learning rate is divided by ten: 50 epochs.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    input_size: int = 500
    width: int = 16
    blocks: int = 7
    versions: int = 4
    checked: int = 100
    momentum: float = 0.9
    decay_every: int = 52_500
    steps: int = 157_500
    batch_size: int = 4
    learning_rate: float = 1e-4
    warmup: int = 0
    weight_decay: float = 0.0
    clip: float = 0.0
    ema: float = 0.0


class BumpTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: BumpRecipeConfig) -> None:
        if not config.stores:
            raise UsageError(
                "this recipe needs stored samples: --set stores=FOLDER[,FOLDER…]; make them with "
                "`python -m wholeface.lab.data.relief --size 500`"
            )
        self.config = config
        self.stores = [
            ReliefStore(folder, versions=config.versions, seed=config.seed) for folder in config.stores
        ]
        self.check = ReliefStore(config.check) if config.check is not None else None
        held = [*self.stores, *([] if self.check is None else [self.check])]
        if wrong := [str(store.folder) for store in held if store.size != config.input_size]:
            raise UsageError(
                f"{', '.join(wrong)}: samples of another size than {config.input_size} pixels; make them with "
                f"--size {config.input_size}, or set input_size"
            )
        network = BumpNet(
            BumpNetConfig(input_size=config.input_size, width=config.width, blocks=config.blocks)
        )
        start_from(network, config.initial)
        self.network = channels_last(network)
        self.train_size = sum(len(store) for store in self.stores)
        self.preprocessing = {
            "margin": FRAME_MARGIN, "range": [0, 1], "colour": "sRGB", "reach": BUMP_REACH,
        }  # fmt: skip

    def optimiser(self, config: TrainConfig) -> torch.optim.Optimizer:
        """Stochastic gradient descent."""
        return torch.optim.SGD(
            self.network.parameters(), lr=config.learning_rate, momentum=self.config.momentum, foreach=True
        )

    def schedule(self, config: TrainConfig) -> Schedule:
        """A tenth of the learning rate after every 50 epochs."""
        return Schedule((Phase(("network",)),), rates={"network": StepDecay(self.config.decay_every, 0.1)})

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Images and their bump maps, nothing changed."""
        return _joined([self._sample(int(index)) for index in indices])

    def _sample(self, index: int) -> Batch:
        for store in self.stores:
            if index < len(store):
                return _bump_sample(store, index)
            index -= len(store)
        raise IndexError(index)

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Equation 5."""
        found = network(channels_last_images(batch["image"]))
        return {"loss": bump_loss(found.float(), batch["bump"], batch["weight"])}

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Means over images of :func:`relief_scores`, along the normal."""
        if self.check is None:
            return {}
        rows = []
        for index in _spread(len(self.check), self.config.checked):
            sample = _bump_sample(self.check, index)
            found = network(sample["image"].to(device)).float().cpu()[0, 0].numpy()
            normals, rays = sample["normals"][0].numpy(), sample["rays"][0].numpy()
            height = along_normal(decode_bump(255 * found), normals, rays)
            weight = sample["known"][0, 0].numpy()
            rows.append(relief_scores(height, sample["height"][0, 0].numpy(), weight, np.zeros_like(height)))
        return {name: value for name, value in mean_scores(rows).items() if name != "expected"}

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Samples of other subjects: the photo, the bump map that the network makes of it, the true one."""
        if self.check is None:
            return None
        batch = _joined([_bump_sample(self.check, index) for index in _spread(len(self.check), _SHOWN)])
        found = network(channels_last_images(batch["image"].to(device))).float().cpu()
        grey = [value.expand(-1, 3, -1, -1) for value in (found, batch["bump"])]
        return images_side_by_side([batch["image"], *grey], columns=2)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and samples."""
        return f"samples {indices.tolist()} of {[store.folder.name for store in self.stores]}"


def _spread(count: int, most: int) -> list[int]:
    return sorted(set(np.linspace(0, count - 1, min(most, count)).astype(int).tolist()))


def _bump_sample(store: ReliefStore, index: int) -> Batch:
    """One sample with a batch dimension; off the head its bump map is θ(0), and counts as in the paper."""
    sample, base = store[index], store.base(index % store.faces)
    head = sample.given.face
    normals = base.true_normals.astype(np.float32)
    away = np.linalg.norm(base.true_points, axis=2, keepdims=True)
    rays = (base.true_points / np.maximum(away, 1e-6)).astype(np.float32)
    bump = encode_bump(along_ray(sample.displacement, normals, rays)) / np.float32(255)
    known = sample.weight.astype(np.float32) / np.float32(255)
    image = sample.given.image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    found = {
        "image": image, "bump": bump[None], "weight": np.where(head, known, np.float32(1))[None],
        "known": known[None], "height": sample.displacement[None].astype(np.float32),
        "normals": normals, "rays": rays,
    }  # fmt: skip
    return {name: torch.from_numpy(np.ascontiguousarray(values))[None] for name, values in found.items()}


def _joined(rows: list[Batch]) -> Batch:
    return {name: torch.cat([row[name] for row in rows]) for name in ("image", "bump", "weight")}


RECIPE = Recipe(
    name="bump",
    summary="bump map of a photo, the encoder-decoder of Tran et al. 2018 (for a GPU)",
    config=BumpRecipeConfig,
    build=BumpTask,
    sources=RELIEF,
    paper="Tran et al. 2018, Extreme 3D face reconstruction: Seeing through occlusions, CVPR",
)
