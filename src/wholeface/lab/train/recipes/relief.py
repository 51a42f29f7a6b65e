"""The compact relief network: wrinkles and folds on the fitted foundation, and how unsure they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import UsageError
from ....networks import ReliefNet, ReliefNetConfig, ReliefOutput, channels_last
from ....stages.relief import FRAME_MARGIN, RELIEF_CHANNELS, network_input
from ....stages.relief.inputs import MAPS
from ...data.relief import ReliefSample, ReliefStore
from ..engine.initial import start_from
from ..losses.relief import relief_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.relief import mirrored, varied
from ._relief_scores import mean_scores, relief_scores
from ._sources import RELIEF
from ._synthesis import channels_last_images, images_side_by_side

__all__ = ["RECIPE", "ReliefRecipeConfig"]

_Maps = dict[str, NDArray[Any]]
_BATCH = 8  # of validation
_SHOWN = 24
_RANGE = 0.8  # mm, shown in full colour


@dataclass(frozen=True)
class ReliefRecipeConfig(TrainConfig):
    """Settings of the relief network's training.

    Args:
        stores: folders of samples, made by ``python -m wholeface.lab.data.relief``.
        check: folder of samples of other subjects.
        initial: checkpoint or weights to start from, or none.
        versions: how often each face is met before the order repeats, each time with other folds.
        windows: windows of each sample: drawing one costs more than learning from it.
        crop: edge of the random windows, a multiple of 16.
        checked: samples of ``check`` that are scored at most.
        widths: channels at a half, a quarter, an eighth and a sixteenth of the resolution.
        blocks: residual blocks there.
        fine: channels at full resolution.
        creases: how much more pixels count where there is relief; see
            :func:`wholeface.lab.train.losses.relief.crease_weight`.
        gradient: weight of the gradient's errors.
        scale: weight of the expected error's likelihood.
        round_off: error in mm up to which the loss is square; 0 = absolute, as in the paper.
        vary: change tones, noise, resolution, and hide patches.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    versions: int = 200
    windows: int = 3
    crop: int = 160
    checked: int = 240
    widths: tuple[int, int, int, int] = (16, 48, 96, 128)
    blocks: tuple[int, int, int, int] = (1, 2, 2, 1)
    fine: int = 16
    creases: float = 1.0
    gradient: float = 2.0
    scale: float = 0.02
    round_off: float = 0.1
    vary: bool = True
    steps: int = 8_000
    batch_size: int = 4
    learning_rate: float = 1.5e-3
    final_rate: float = 0.02
    warmup: int = 100
    ema: float = 0.997
    weight_decay: float = 0.001
    validate_every: int = 500


class ReliefTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: ReliefRecipeConfig) -> None:
        if not config.stores:
            raise UsageError(
                "this recipe needs stored samples: --set stores=FOLDER[,FOLDER…]; make them with "
                "`python -m wholeface.lab.data.relief`"
            )
        self.config = config
        self.stores = [
            ReliefStore(folder, versions=config.versions, seed=config.seed) for folder in config.stores
        ]
        self.check = ReliefStore(config.check) if config.check is not None else None
        self._held: dict[int, _Maps] = {}  # validation samples, drawn once
        size = self.stores[0].size
        network = ReliefNet(ReliefNetConfig(RELIEF_CHANNELS, size, config.widths, config.blocks, config.fine))
        start_from(network, config.initial)
        self.network = channels_last(network)
        self.train_size = sum(len(store) for store in self.stores)
        self.preprocessing = {"margin": FRAME_MARGIN, "colour": "sRGB", "unit": "mm"}

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """(B, windows, …): windows of samples, half of them mirrored, the tones of each its own."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = []
        for index in indices:
            whole = self._sample(int(index))
            for _ in range(self.config.windows):
                maps = self._window(whole, rng)
                if rng.random() < 0.5:
                    maps = mirrored(maps)
                rows.append(varied(maps, rng) if self.config.vary else maps)
        batch = _batch(rows)
        return {name: values.reshape(len(indices), -1, *values.shape[1:]) for name, values in batch.items()}

    def _sample(self, index: int) -> _Maps:
        for store in self.stores:
            if index < len(store):
                return _maps_of(store[index])
            index -= len(store)
        raise IndexError(index)

    def _window(self, maps: _Maps, rng: np.random.Generator) -> _Maps:
        edge = self.config.crop
        room = maps["image"].shape[0] - edge
        top, left = (int(v) for v in rng.integers(room + 1, size=2))
        return {name: values[top : top + edge, left : left + edge] for name, values in maps.items()}

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """All terms of :func:`wholeface.lab.train.losses.relief.relief_loss`."""
        given, target, weight = (batch[name].flatten(0, 1) for name in ("given", "target", "weight"))
        output = self._read(network(channels_last_images(given)))
        config = self.config
        loss = relief_loss(
            output, target, weight,
            creases=config.creases, gradient=config.gradient, scale=config.scale, round_off=config.round_off,
        )  # fmt: skip
        return {"loss": loss.total, "value": loss.value, "gradient": loss.gradient, "scale": loss.scale}

    def _read(self, raw: Tensor) -> ReliefOutput:
        network = self.network
        assert isinstance(network, ReliefNet)
        return network.read(raw)

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Means over images, see :func:`relief_scores`; all together and by source."""
        if self.check is None:
            return {}
        found: dict[str, list[dict[str, float]]] = defaultdict(list)
        picked = _spread(len(self.check), self.config.checked)
        for part in range(0, len(picked), _BATCH):
            indices = picked[part : part + _BATCH]
            batch, displacement, scale = self._shown(network, device, indices)
            for i, index in enumerate(indices):
                scores = relief_scores(
                    displacement[i, 0].numpy(), batch["target"][i, 0].numpy(), batch["weight"][i, 0].numpy(),
                    scale[i, 0].numpy(),
                )  # fmt: skip
                found[""].append(scores)
                found[f"_{self.check.sources[int(index) % self.check.faces]}"].append(scores)
        out: dict[str, float] = {}
        for source in ["", *sorted(set(found) - {""})]:
            means = mean_scores(found[source])
            names = means if not source else ("correlation", "normals", "normals_without")
            out.update({name + source: means[name] for name in names})
        return out

    def _shown(
        self, network: nn.Module, device: torch.device, indices: NDArray[np.int64]
    ) -> tuple[Batch, Tensor, Tensor]:
        assert self.check is not None
        batch = _batch([self._checked(int(i)) for i in indices])
        output = self._read(network(channels_last_images(batch["given"].to(device))))
        return batch, output.displacement.cpu(), output.scale.cpu()

    def _checked(self, index: int) -> _Maps:
        assert self.check is not None
        if index not in self._held:
            self._held[index] = _maps_of(self.check[index])
        return self._held[index]

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Samples of other subjects: the photo, what the network sees in it, the truth, the expected error."""
        if self.check is None:
            return None
        picked = _spread(len(self.check), _SHOWN)
        batch, displacement, scale = self._shown(network, device, picked)
        shown = (batch["weight"] > 0.5).float()
        images = [
            batch["given"][:, :3],
            _coloured(displacement * shown),
            _coloured(batch["target"] * shown),
            _coloured(scale * shown),
        ]
        return images_side_by_side(images, columns=2)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and samples."""
        return f"samples {indices.tolist()} of {[store.folder.name for store in self.stores]}"


def _spread(count: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(most, count)).astype(np.int64))


def _maps_of(sample: ReliefSample) -> _Maps:
    return {**sample.given.maps(), "displacement": sample.displacement, "weight": sample.weight}


def _batch(rows: list[_Maps]) -> Batch:
    stacked = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    weight = stacked["weight"].astype(np.float32)[:, None] / np.float32(255)
    return {
        "given": torch.from_numpy(network_input({name: stacked[name] for name in MAPS})),
        "target": torch.from_numpy(stacked["displacement"].astype(np.float32)[:, None]),
        "weight": torch.from_numpy(weight),
    }


def _coloured(values: Tensor) -> Tensor:
    """(N, 1, H, W) mm -> (N, 3, H, W): grooves blue, ridges red, nothing white."""
    high = (values / _RANGE).clamp(0, 1)
    low = (-values / _RANGE).clamp(0, 1)
    return torch.cat([1 - low, 1 - high - low, 1 - high], dim=1).clamp(0, 1)


RECIPE = Recipe(
    name="relief",
    summary="wrinkles and folds on the fitted face, and how unsure they are (compact network)",
    config=ReliefRecipeConfig,
    build=ReliefTask,
    sources=RELIEF,
    paper="after Tran et al. 2018, Extreme 3D face reconstruction: Seeing through occlusions, CVPR",
)
