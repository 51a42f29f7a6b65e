"""The compact generator: the face without what hides it, on top of the fitted model's rendering."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....networks import DeocclusionNet, DeocclusionNetConfig, channels_last
from ....networks.deocclusion_net import Condition, DeocclusionOutput
from ....stages.deocclude.generator import FRAME_MARGIN, LABEL_GROUPS, MAPS, network_input
from ....stages.deocclude.generator.inputs import CHANNELS
from ...data.deocclusion import DeocclusionStore, target_of
from ..engine.initial import start_from
from ..features import load_features
from ..losses.deocclusion import deocclusion_loss
from ..recipe import Batch, JointTask, Recipe, TrainConfig
from ..task import Update
from ._sources import COMPOSITES
from ._synthesis import channels_last_images, images_side_by_side, psnr

__all__ = ["RECIPE", "DeocclusionRecipeConfig"]

_BATCH = 8  # of validation
_FEATURE_GROUPS = slice(9 + MAPS + 3, 9 + MAPS + 7)  # brows, eyes, inner mouth, lips


@dataclass(frozen=True)
class DeocclusionRecipeConfig(TrainConfig):
    """Settings of the generator's training.

    Args:
        stores: folders of composites, made by ``python -m wholeface.lab.data.deocclusion``.
        check: folder of composites of other subjects.
        initial: checkpoint whose weights to start from, or none.
        crop: edge of the random window of each sample, a multiple of 16.
        width: channels at an eighth of the input's resolution.
        attention: let all places look at each other.
        condition: how the completed parsing map guides the residual blocks (none, sft or sean).
        without: inputs to blank, for ablations: image (the photo under the mask), rendering, labels, eyewear.
        feature_weight: factor on eyes, brows and mouth.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    crop: int = 176
    width: int = 112
    attention: bool = True
    condition: Condition = "sft"
    without: tuple[str, ...] = ()
    feature_weight: float = 2.0
    steps: int = 6_000
    batch_size: int = 8
    learning_rate: float = 6e-4
    final_rate: float = 0.02
    warmup: int = 100
    ema: float = 0.997
    weight_decay: float = 0.001
    validate_every: int = 500


class DeocclusionTask(JointTask):
    """See :data:`RECIPE`."""

    def __init__(self, config: DeocclusionRecipeConfig) -> None:
        self.config = config
        self.stores = [DeocclusionStore(folder) for folder in config.stores]
        self.check = DeocclusionStore(config.check) if config.check is not None else None
        network = DeocclusionNet(
            DeocclusionNetConfig(
                MAPS, LABEL_GROUPS, width=config.width, attention=config.attention, condition=config.condition
            )
        )
        start_from(network, config.initial)
        self.networks: Mapping[str, nn.Module] = {"network": channels_last(network)}
        self.teachers: Mapping[str, nn.Module] = {"features": load_features("parser")}
        self.train_size = sum(len(store) for store in self.stores)
        self.preprocessing = {"margin": FRAME_MARGIN, "range": [0, 1], "colour": "sRGB"}

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Windows, half of them mirrored, all in other colours."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        maps, target, hole = self._samples(indices)
        edge = self.config.crop
        room = maps["image"].shape[1] - edge
        places = [(rng.integers(room + 1), rng.integers(room + 1), rng.random() < 0.5) for _ in indices]

        def cut(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
            out = np.empty((len(values), edge, edge, *values.shape[3:]), values.dtype)
            for i, (top, left, flip) in enumerate(places):
                window = values[i, top : top + edge, left : left + edge]
                out[i] = window[:, ::-1] if flip else window
            return out

        maps = {name: cut(values) for name, values in maps.items()}
        given = network_input(maps)
        target, hole = cut(target), cut(hole)
        colours = np.concatenate([given[:, :9], target.transpose(0, 3, 1, 2) / np.float32(255)], axis=1)
        colours = _recoloured(colours, rng)
        given[:, :9] = colours[:, :9]
        return self._batch(given, colours[:, 9:], hole)

    def _samples(
        self, indices: NDArray[np.int64], stores: list[DeocclusionStore] | None = None
    ) -> tuple[dict[str, NDArray[np.uint8]], NDArray[np.uint8], NDArray[np.uint8]]:
        held = self.stores if stores is None else stores
        ends = np.cumsum([len(store) for store in held])
        rows = []
        for index in indices:
            which = int(np.searchsorted(ends, index, side="right"))
            rows.append(held[which][int(index - (ends[which - 1] if which else 0))])
        maps = {name: np.stack([getattr(row.given, name) for row in rows]) for name in CHANNELS}
        both = [target_of(r.given.image, r.clean, r.kind, r.face) for r in rows]
        return maps, np.stack([t for t, _ in both]), np.stack([h for _, h in both])

    def _batch(
        self, given: NDArray[np.float32], target: NDArray[np.float32], hole: NDArray[np.uint8]
    ) -> Batch:
        return {
            "given": _blanked(torch.from_numpy(given), self.config.without),
            "image": torch.from_numpy(given[:, :3].copy()),
            "target": torch.from_numpy(np.ascontiguousarray(target, np.float32)),
            "hole": torch.from_numpy(hole.astype(np.float32))[:, None],
            "important": 1
            + (self.config.feature_weight - 1)
            * torch.from_numpy(given[:, _FEATURE_GROUPS].max(axis=1, keepdims=True)),
        }

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """All terms of :func:`wholeface.lab.train.losses.deocclusion.deocclusion_loss`."""
        raw = update.networks["network"](channels_last_images(batch["given"]))
        output = self._read(raw, batch)
        looks = update.teachers["features"]
        with torch.no_grad():
            wanted = looks(channels_last_images(batch["target"]))
        found = looks(channels_last_images(output.image))
        loss = deocclusion_loss(
            output, batch["target"], batch["image"], batch["hole"], batch["important"],
            found, wanted,
        )  # fmt: skip
        return {
            "loss": loss.total, "pixel": loss.pixel, "gradient": loss.gradient, "feature": loss.feature,
            "matte": loss.matte, "scale": loss.scale,
        }  # fmt: skip

    def _read(self, raw: Tensor, batch: Batch) -> DeocclusionOutput:
        network = self.networks["network"]
        assert isinstance(network, DeocclusionNet)
        given = batch["given"].clone()
        given[:, :3] = batch["image"]  # what is blanked for the network is still what it is laid over
        return network.read(raw, given)

    @torch.no_grad()
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """PSNR inside the hole in dB, mean over images: of the result and of the base."""
        if self.check is None:
            return {}
        scores: dict[str, list[float]] = {"psnr": [], "base_psnr": []}
        for _, target, hole, base, image in self._shown(networks["network"], device, len(self.check)):
            for name, found in (("psnr", image), ("base_psnr", base)):
                error = ((found - target) ** 2).mean(1)
                scores[name] += [psnr(e[h > 0]) for e, h in zip(error, hole[:, 0])]
        return {name: float(np.mean(values)) for name, values in scores.items()}

    def _shown(
        self, network: nn.Module, device: torch.device, count: int
    ) -> list[tuple[Tensor, Tensor, Tensor, Tensor, Tensor]]:
        assert self.check is not None
        found = []
        for start in range(0, count, _BATCH):
            indices = np.arange(start, min(start + _BATCH, count))
            maps, target, hole = self._samples(indices, [self.check])
            given = network_input(maps)
            truth = target.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
            batch = self._batch(given, truth, hole)
            raw = network(channels_last_images(batch["given"].to(device))).cpu()
            output = self._read(raw, batch)
            base = torch.from_numpy(given[:, 3:6])
            found.append((batch["image"], batch["target"], batch["hole"], base, output.image.clamp(0, 1)))
        return found

    @torch.no_grad()
    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """Composites of other subjects: the photo, the base, what the network makes of them, the truth."""
        if self.check is None:
            return None
        shown = self._shown(networks["network"], device, min(32, len(self.check)))
        image, target, _, base, made = (torch.cat(parts) for parts in zip(*shown))
        return images_side_by_side([image, base, made, target], columns=2)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and samples."""
        return f"samples {indices.tolist()} of {[store.folder.name for store in self.stores]}"


def _blanked(given: Tensor, without: tuple[str, ...]) -> Tensor:
    if not without:
        return given
    given = given.clone()
    hidden = torch.maximum(given[:, 13:14], torch.maximum(given[:, 15:16], given[:, 17:18])) > 0.5
    if "image" in without:
        given[:, :3] = torch.where(hidden, torch.full_like(given[:, :3], 0.5), given[:, :3])
    if "rendering" in without:
        given[:, 3:6] = torch.where(hidden, torch.full_like(given[:, 3:6], 0.5), given[:, 3:6])
        given[:, 6:9] = 0.0
        given[:, 12] = 0.0
    if "labels" in without:
        given[:, 9 + MAPS :] = 0.0
    if "eyewear" in without:
        given[:, 15:18] = 0.0
    return given


def _recoloured(colours: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """(N, 12, H, W) in [0, 1] sRGB: gains, gamma, sometimes grey; the same for all images of a sample."""
    for values in colours:
        gain = rng.uniform(0.85, 1.12) * rng.uniform(0.94, 1.06, 3)
        gamma = rng.uniform(0.8, 1.25)
        np.clip(values, 0, 1, out=values)
        np.power(values, np.float32(gamma), out=values)
        np.multiply(values, np.tile(gain, 4).astype(np.float32)[:, None, None], out=values)
        if rng.random() < 0.08:
            for first in range(0, 12, 3):
                values[first : first + 3] = values[first : first + 3].mean(axis=0)
        np.clip(values, 0, 1, out=values)
    return colours


RECIPE = Recipe(
    name="deocclusion",
    summary="the face without what hides it, on top of the fitted model's rendering (compact generator)",
    config=DeocclusionRecipeConfig,
    build=DeocclusionTask,
    sources=COMPOSITES,
    paper="after Zhao & Qi 2021 and 2022; compact, guided by the fitted model",
)
