"""Face parameters from photos alone, as the ResNet-50 of Zhao & Qi learns them: by rendering what it says.

No truth of the shape is needed: pictures, their 68 landmarks and their parsing maps teach. The network sees the
picture with or without its occluder; what hides the face counts a tenth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import DataError, UsageError
from ....core.srgb_torch import linear_to_srgb
from ....morphable import LAYOUTS, Parameters, load_model
from ....networks import ParameterNet, ParameterNetConfig, channels_last
from ....perceive import IGNORE
from ....perceive.frames import DENSE_478, LANDMARK_MARGIN
from ....render import Camera, ambient_light, render_parameters, to_camera
from ....stages.shape import parameters_from_vector
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..features import FEATURES, FeatureName, load_features
from ..losses import (
    EYEGLASSES_REGRESSION,
    PARSING_GUIDED_REGRESSION,
    RegressionTerms,
    occlusion_attention,
    regression_loss,
)
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.colour import jitter_colours
from ..transforms.crops import NO_JITTER, CropJitter, crop_images, crop_labels, crop_matrices, move_points
from ._sources import COMPOSITES, SOURCES

__all__ = ["RECIPE", "RegressionConfig"]

_CHECKED = 200
_DISTANCE = 900.0  # mm, of a usual face from the camera
_LEAST_SCALE = 0.1  # of the usual one
_FAR = 1e3  # pixels: landmarks further away are as wrong as can be


@dataclass(frozen=True)
class RegressionConfig(TrainConfig):
    """Settings of the regressor's training.

    Args:
        stores: folders of stored training samples with landmarks and parsing maps.
        check: folder of stored held-out samples.
        initial: checkpoint whose weights to start from, or none.
        paper: parsing_guided (layout 175, equations 12 to 16) or eyeglasses (layout 239, equations 8 and 9).
        backbone: resnet50 (as published) or compact.
        input_size: edge of the network's input in pixels; the rendering is of the same size.
        width: factor on the channels of the compact backbone.
        features: what sees faces in the features' term: parser, imagenet, vgg, or none.
        feature_file: weights for that, where it needs some.
        clean: share of images shown without their occluders.
        jitter: factor on the errors of placing the crop.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    paper: Literal["parsing_guided", "eyeglasses"] = "parsing_guided"
    backbone: Literal["resnet50", "compact"] = "resnet50"
    input_size: int = 224
    width: float = 1.0
    features: Literal["parser", "imagenet", "vgg", "none"] = "parser"
    feature_file: Path | None = None
    clean: float = 0.5
    jitter: float = 0.5
    steps: int = 100_000
    batch_size: int = 16
    learning_rate: float = 1e-4
    validate_every: int = 2000


class RegressionTask(Task):
    """See :data:`RECIPE`.

    Args:
        config: settings.
        embed: the face recognition network G of the papers, (N, 3, S, S) in [0, 1] sRGB -> (N, F), differentiable;
            None takes pooled features of what ``config.features`` names.
    """

    def __init__(self, config: RegressionConfig, embed: nn.Module | None = None) -> None:
        if not 0 <= config.clean <= 1:
            raise UsageError(f"clean is a share and must lie between 0 and 1, got {config.clean}")
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = None if config.check is None else SharedStore((config.check,))
        self.model = load_model("wholeface")
        self.face = self.model.triangles[self.model.region("face")[self.model.triangles].all(dim=1)]
        self.layout_name: Literal["175", "239"] = "175" if config.paper == "parsing_guided" else "239"
        self.layout = LAYOUTS[self.layout_name]
        self.weights = (
            PARSING_GUIDED_REGRESSION if config.paper == "parsing_guided" else EYEGLASSES_REGRESSION
        )
        assert self.model.landmarks_478 is not None
        points = self.model.landmarks_478.points(self.model.mean, self.model.triangles)[:, :2]
        low, high = points.amin(dim=0), points.amax(dim=0)
        size = config.input_size
        # Pixels per mm of the mean face in a crop, and where its middle lies
        self.usual_scale = size / LANDMARK_MARGIN / float((high - low).max())
        self._middle = (low + high) / 2
        self.camera = Camera.of_photo(size, size, focal=self.usual_scale * _DISTANCE)
        network = ParameterNet(
            ParameterNetConfig(self.layout.blocks, config.backbone, config.input_size, config.width)
        )
        network.set_statistics(*self._usual())
        start_from(network, config.initial)
        self.network: nn.Module = channels_last(network)
        self.embed: nn.Module | None = embed
        if embed is None and config.features != "none":
            name: FeatureName = config.features
            assert name in FEATURES
            self.embed = _Pooled(load_features(name, config.feature_file))
        self.teachers = {} if self.embed is None else {"features": self.embed}
        self.train_size = len(self.store)
        self.preprocessing = {"margin": LANDMARK_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._jitter = CropJitter(0.06, 0.03, 0.06, 0.1, 0.0).scaled(config.jitter)

    def _usual(self) -> tuple[Tensor, Tensor]:
        """The mean face, upright in the middle of the crop and softly lit, and how far the entries differ from it."""
        size, scale = self.config.input_size, self.usual_scale
        mean = {name: torch.zeros(count) for name, count in self.layout.blocks}
        spread = {name: torch.ones(count) for name, count in self.layout.blocks}
        mean["light"] = ambient_light(0.8)[:, 0]
        mean["scale"][:] = scale
        mean["shift"] = (size - 1) / 2 + scale * self._middle * torch.tensor([-1.0, 1.0])
        spread["light"][:] = 0.3
        spread["rotation"][:] = 0.3
        spread["scale"][:] = 0.1 * scale
        spread["shift"][:] = 0.03 * size
        return self.layout.join(mean), self.layout.join(spread)

    def _rows(
        self, store: SharedStore, indices: NDArray[np.int64], clean: NDArray[np.bool_]
    ) -> tuple[list[dict[str, NDArray[Any]]], list[NDArray[np.uint8]]]:
        rows = [store[int(i)] for i in indices]
        if any("parsing" not in row for row in rows):
            raise DataError("a store holds no 'parsing'; take one with the usual fields (docs/training.md)")
        return rows, [row["clean"] if bare else row["image"] for row, bare in zip(rows, clean)]

    def _batch(
        self,
        store: SharedStore,
        indices: NDArray[np.int64],
        clean: NDArray[np.bool_],
        rng: np.random.Generator,
        jitter: CropJitter,
    ) -> Batch:
        rows, images = self._rows(store, indices, clean)
        size = self.config.input_size
        dense = np.stack([row["dense"] for row in rows])[:, : DENSE_478.stop - DENSE_478.start]
        matrices, _ = crop_matrices(dense, size, LANDMARK_MARGIN, rng, jitter)
        # Of a picture without its occluder all of the face is seen
        maps = [np.where(row["face"], 1, row["parsing"]) if bare else row["parsing"]
                for row, bare in zip(rows, clean)]  # fmt: skip
        points = torch.from_numpy(np.stack([row["landmarks_68"] for row in rows]))
        return {
            "image": crop_images(images, matrices, size),
            "parsing": crop_labels([m.astype(np.uint8) for m in maps], matrices, size, IGNORE),
            "points": move_points(points, matrices),
        }

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops, the landmarks in them and their parsing maps."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        clean = rng.random(len(indices)) < self.config.clean
        batch = self._batch(self.store, indices, clean, rng, self._jitter)
        return {**batch, "seen": jitter_colours(batch["image"].clone(), generator, 0.5)}

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The terms of the paper."""
        del progress
        terms = self._terms(network(batch["seen"]).float(), batch)
        return {
            "loss": terms.total, "landmarks": terms.landmarks, "pixels": terms.pixels,
            "regularisation": terms.regularisation, "features": terms.features,
        }  # fmt: skip

    def parameters(self, vector: Tensor) -> Parameters:
        """What a vector says, for the shipped model; a scale that has gone astray is held above zero."""
        parts = dict(self.layout.split(vector))
        parts["scale"] = parts["scale"].clamp_min(_LEAST_SCALE * self.usual_scale)
        joined = self.layout.join(parts)
        return parameters_from_vector(joined, self.layout_name, self.model, self.camera, resize=True)[0]

    def _terms(self, vector: Tensor, batch: Batch) -> RegressionTerms:
        parameters = self.parameters(vector)
        drawn = render_parameters(self.model, parameters, self.camera, triangles=self.face)
        rendering = linear_to_srgb(drawn.image).clamp(0, 1)
        image, region = batch["image"], drawn.mask
        features = None
        if self.embed is not None:
            # Around the rendered face the picture itself, so that the features compare faces
            whole = torch.where(region[:, None], rendering, image)
            features = (self.embed(image).detach(), self.embed(whole))
        parts = self.layout.split(vector)
        shape = [parts[name] for name in ("identity", "expression") if name in parts]
        attention = occlusion_attention(batch["parsing"]) if self.config.paper == "parsing_guided" else None
        return regression_loss(
            image=image,
            rendering=rendering,
            region=region,
            found=batch["points"],
            rendered=self._landmarks(parameters).clamp(-_FAR, _FAR),
            shape=torch.cat(shape, dim=-1),
            albedo=parts["albedo"],
            features=features,
            attention=attention,
            weights=self.weights,
        )

    def _landmarks(self, parameters: Parameters) -> Tensor:
        """(B, 68, 2) crop pixels."""
        model = self.model
        assert model.landmarks_68 is not None
        shape = model.vertices(parameters.identity, parameters.expression)
        points = model.landmarks_68.points(shape, model.triangles)
        return self.camera.project(to_camera(points, parameters.rotation, parameters.translation))

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Landmarks over the outer-eye distance, per cent, and colours on the face, without and with occluders."""
        if self.check is None:
            return {}
        scores: dict[str, float] = {}
        indices = np.unique(
            np.linspace(0, len(self.check) - 1, min(_CHECKED, len(self.check))).astype(np.int64)
        )
        for name, bare in (("clean", True), ("covered", False)):
            errors, colours = [], []
            for start in range(0, len(indices), 20):
                part = indices[start : start + 20]
                rng = np.random.default_rng(0)
                batch = self._batch(self.check, part, np.full(len(part), bare), rng, NO_JITTER)
                vector = network(batch["image"].to(device)).float().cpu()
                found, truth = self._landmarks(self.parameters(vector)), batch["points"]
                eyes = (truth[:, 36] - truth[:, 45]).norm(dim=-1)
                errors.append((found - truth).norm(dim=-1).mean(dim=1) / eyes.clamp_min(1.0))
                colours.append(self._terms(vector, batch).pixels)
            scores[f"nme68_{name}"] = 100 * float(torch.cat(errors).mean())
            scores[f"colour_{name}"] = float(torch.stack(colours).mean())
        return scores

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out pictures, and under each the rendering laid over it."""
        if self.check is None:
            return None
        picked = np.unique(np.linspace(0, len(self.check) - 1, min(8, len(self.check))).astype(np.int64))
        batch = self._batch(
            self.check, picked, np.zeros(len(picked), bool), np.random.default_rng(0), NO_JITTER
        )
        vector = network(batch["image"].to(device)).float().cpu()
        drawn = render_parameters(self.model, self.parameters(vector), self.camera, triangles=self.face)
        over = torch.where(drawn.mask[:, None], linear_to_srgb(drawn.image).clamp(0, 1), batch["image"])
        tiles = torch.cat([batch["image"], over], dim=2).permute(0, 2, 3, 1)
        return np.concatenate(list((tiles * 255).round().byte().numpy()), axis=1)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


class _Pooled(nn.Module):
    """The deepest features of an extractor, averaged over the image."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] -> (N, F)."""
        deepest: Tensor = self.extractor(images)[-1]
        return deepest.mean(dim=(2, 3))


RECIPE = Recipe(
    name="regression",
    summary="face parameters of layouts 175 and 239 by rendering (the ResNet-50 of Zhao & Qi, eq. 12-16 and 8-9)",
    config=RegressionConfig,
    build=RegressionTask,
    sources=(*SOURCES, *COMPOSITES[:2]),
    paper="Zhao & Qi 2021, Generative face parsing map guided 3D face reconstruction under occluded scenes; 2022",
)
