"""N_lmk: 68 and 600 landmarks with visibility and uncertainty, from images with and without occluders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.errors import UsageError
from ....morphable import load_model
from ....networks import LandmarkNet, LandmarkNetConfig, channels_last
from ....perceive.frames import DENSE_478, LANDMARK_MARGIN
from ....perceive.landmark_mirror import IDENTITY_SIGNS, MIRROR_668
from ...data.stores.fields import KNOWN
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..losses import landmark_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.colour import jitter_colours
from ..transforms.crops import CropJitter, crop_images, crop_matrices, empty_crops, move_points, shuffle_tiles
from ._sources import SOURCES

__all__ = ["RECIPE", "LandmarkRecipeConfig"]

_OUTER_EYES = (36, 45)


@dataclass(frozen=True)
class LandmarkRecipeConfig(TrainConfig):
    """Settings of the landmark network's training.

    Args:
        stores: folders of stored training samples.
        check: folder of stored held-out samples.
        initial: checkpoint whose weights to start from, or none.
        loss: squared (the paper's), gaussian (weighted by the predicted uncertainty) or balanced (a compromise).
        clean: share of images shown without their occluders.
        input_size: edge of the network's input in pixels.
        width: factor on its channels.
        looked_at: landmarks around which its refinement steps read the image; 0 = no refinement.
        rounds: number of refinement steps.
        identity: coefficients of the face model that it estimates beside; 0 = none.
        jitter: factor on the errors of placing the crop.
        photo_weight: weight of the points of real photos, whose truth is less exact than that of renderings.
        empty: share of crops that show no face, or one far too small, too large or aside; no point of theirs faces
            the camera, and their points do not count.
        identity_strength: factor on the part of the loss that they have.
        head_rate: learning rate of the last layer over that of all others. Its weights are small numbers (a standard
            deviation of the faces' differences, over the crop's edge); steps of the usual size would shake the points
            by pixels, and the network would answer by letting its features wither.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    loss: Literal["squared", "gaussian", "balanced"] = "balanced"
    clean: float = 0.25
    input_size: int = 128
    width: float = 1.0
    looked_at: int = 160
    rounds: int = 2
    identity: int = 80
    jitter: float = 1.0
    photo_weight: float = 0.3
    empty: float = 0.1
    identity_strength: float = 2.0
    head_rate: float = 0.1
    steps: int = 12_000
    batch_size: int = 64
    learning_rate: float = 2e-3
    validate_every: int = 1500


def identity_weights() -> NDArray[np.float32]:
    """(80,) how far each identity mode moves the face, root of the mean square, over the mean of these modes."""
    model = load_model("wholeface")
    moved = (
        model.identity[: len(IDENTITY_SIGNS), model.regions["face"]]
        .double()
        .square()
        .sum(dim=2)
        .mean(dim=1)
        .sqrt()
    )
    return (moved / moved.mean()).float().numpy()


@dataclass(frozen=True)
class _Rows:
    """Some samples as arrays."""

    images: list[NDArray[np.uint8]]
    points: NDArray[np.float32]  # (N, 668, 2)
    self_visible: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    rendered: NDArray[np.bool_]
    known: NDArray[np.bool_]
    identity: NDArray[np.float32]  # (N, K), not a number where unknown


class LandmarkTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: LandmarkRecipeConfig) -> None:
        if not 0 <= config.identity <= len(IDENTITY_SIGNS):
            raise UsageError(f"identity must lie in [0, {len(IDENTITY_SIGNS)}], got {config.identity}")
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore((config.check,)) if config.check is not None else None
        network = LandmarkNet(
            LandmarkNetConfig(
                input_size=config.input_size,
                width=config.width,
                looked_at=config.looked_at,
                rounds=config.rounds,
                identity=config.identity,
            )
        )
        self.network: nn.Module = channels_last(network)
        self.train_size = len(self.store)
        self.preprocessing = {"margin": LANDMARK_MARGIN, "range": [0, 1], "colour": "sRGB"}
        self._mirror = MIRROR_668
        self._signs = IDENTITY_SIGNS[: config.identity]
        self._modes = identity_weights()[: config.identity]
        self._jitter = CropJitter().scaled(config.jitter)
        if config.initial is None:
            network.set_shapes(self._some_shapes(), config.seed)
        else:
            start_from(network, config.initial)

    def _some_shapes(self) -> Tensor:
        """(N, 668, 2) points of training faces in crops placed as in training."""
        indices = np.linspace(0, len(self.store) - 1, min(1024, len(self.store))).astype(np.int64)
        rows = self._rows(self.store, indices, np.zeros(len(indices), bool))
        dense, size = rows.points[:, DENSE_478], self.config.input_size
        matrices, _ = crop_matrices(dense, size, LANDMARK_MARGIN, np.random.default_rng(0), self._jitter)
        return move_points(torch.from_numpy(rows.points), matrices)[torch.from_numpy(rows.known)]

    def _rows(self, store: SharedStore, indices: NDArray[np.int64], clean: NDArray[np.bool_]) -> _Rows:
        images, points, self_visible, occluded, known, identities = [], [], [], [], [], []
        for index, bare in zip(indices, clean):
            row = store[int(index)]
            images.append(row["clean"] if bare else row["image"])
            points.append(np.concatenate([row["landmarks_68"], row["dense"]]))
            faces = np.concatenate([row["facing_68"], row["facing_dense"]])
            seen = np.concatenate([row["visible_68"], row["visible_dense"]])
            self_visible.append(faces)
            occluded.append(np.zeros_like(faces) if bare else faces & ~seen)
            known.append(row["known"])
            identities.append(store.parameter(int(index), "identity", self.config.identity))
        flags = np.stack(known)
        return _Rows(
            images,
            np.stack(points),
            np.stack(self_visible),
            np.stack(occluded),
            flags[:, KNOWN.index("geometry")],
            flags[:, KNOWN.index("landmarks")],
            np.stack(identities),
        )

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Jittered crops and their truth."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        rows = self._rows(self.store, indices, rng.random(len(indices)) < self.config.clean)
        size = self.config.input_size
        matrices, mirrored = crop_matrices(
            rows.points[:, DENSE_478], size, LANDMARK_MARGIN, rng, self._jitter
        )
        empty = rng.random(len(indices)) < self.config.empty
        torn = empty & (rng.random(len(indices)) < 0.3)
        images = crop_images(rows.images, empty_crops(matrices, empty & ~torn, size, rng), size)
        shuffle_tiles(images, torn, rng)
        batch = {
            "image": jitter_colours(images, generator),
            "points": move_points(torch.from_numpy(rows.points), matrices),
            "self_visible": torch.from_numpy(rows.self_visible & ~empty[:, None]),
            "occluded": torch.from_numpy(rows.occluded & ~empty[:, None]),
        }
        for name in ("points", "self_visible", "occluded"):
            swapped = batch[name][:, self._mirror]
            batch[name] = torch.where(mirrored.view(-1, *[1] * (swapped.ndim - 1)), swapped, batch[name])
        weight = np.where(rows.rendered, 1.0, self.config.photo_weight) * rows.known * ~empty
        batch["weight"] = torch.from_numpy(weight.astype(np.float32))
        given = np.isfinite(rows.identity).all(axis=1) & ~empty
        signs = np.where(mirrored.numpy()[:, None], self._signs, np.float32(1.0))
        batch["identity"] = torch.from_numpy(np.nan_to_num(rows.identity) * signs)
        batch["identity_weight"] = torch.from_numpy(given[:, None].astype(np.float32) * self._modes)
        return batch

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Points and flags."""
        del progress
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        output = self._read(network(image))
        parts = landmark_loss(
            output,
            batch["points"],
            batch["self_visible"],
            batch["occluded"],
            kind=self.config.loss,
            point_weight=batch["weight"],
            identity=batch["identity"] if self.config.identity else None,
            identity_weight=batch["identity_weight"],
            identity_strength=self.config.identity_strength,
        )
        return {
            "loss": parts.total,
            "points": parts.points,
            "facing": parts.self_visible,
            "covered": parts.occluded,
            "person": parts.person,
        }

    def optimiser(self, config: TrainConfig) -> torch.optim.Optimizer:
        """AdamW; the last layer learns more slowly, see ``head_rate``."""
        network = self.network
        assert isinstance(network, LandmarkNet)
        last = set(network.last_layers())
        head = [p for p in network.parameters() if p in last]  # in an order that every process has
        rest = [p for p in network.parameters() if p not in last]
        groups = [
            {"params": [p for p in rest if p.ndim > 1], "weight_decay": config.weight_decay},
            {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
            {"params": head, "weight_decay": 0.0, "lr": config.learning_rate * self.config.head_rate},
        ]
        return torch.optim.AdamW(groups, lr=config.learning_rate, foreach=True)

    def _read(self, raw: Tensor) -> Any:
        network = self.network
        assert isinstance(network, LandmarkNet)
        return network.read(raw)

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """NME of the 68 and of all points over the outer-eye distance, per cent, clean and occluded; calibration."""
        if self.check is None:
            return {}
        scores: dict[str, float] = {}
        size = self.config.input_size
        count = min(600, len(self.check))
        for name, bare in (("clean", True), ("covered", False)):
            errors, ratios, kinds, identities = [], [], [], []
            for start in range(0, count, 100):
                indices = np.arange(start, min(start + 100, count))
                rows = self._rows(self.check, indices, np.full(len(indices), bare))
                rng = np.random.default_rng(start)
                matrices, _ = crop_matrices(
                    rows.points[:, DENSE_478], size, LANDMARK_MARGIN, rng, CropJitter(0.04, 0.02, 0.04, 0, 0)
                )
                truth = move_points(torch.from_numpy(rows.points), matrices)
                output = self._read(network(crop_images(rows.images, matrices, size).to(device)))
                off = (output.points.cpu() - truth).norm(dim=-1)
                eyes = (truth[:, _OUTER_EYES[0]] - truth[:, _OUTER_EYES[1]]).norm(dim=-1)
                # A profile's eyes nearly coincide; the face's height stands in, at its usual ratio.
                height = truth[:, DENSE_478].amax(1)[:, 1] - truth[:, DENSE_478].amin(1)[:, 1]
                errors.append(off / torch.maximum(eyes, 0.4 * height)[:, None])
                ratios.append(off / output.log_sigma.cpu().exp() / 2**0.5)
                kinds.append(torch.from_numpy(rows.rendered))
                identities.append(
                    (output.identity.cpu() - torch.from_numpy(rows.identity)).square().mean(dim=1)
                )
            error, rendered = torch.cat(errors) * 100, torch.cat(kinds)
            for who, mask in (("rendered", rendered), ("photo", ~rendered)):
                if mask.any():
                    scores[f"nme68_{name}_{who}"] = float(error[mask, :68].mean())
                    scores[f"nme_{name}_{who}"] = float(error[mask].mean())
            if self.config.identity:
                scores[f"identity_rms_{name}"] = float(torch.cat(identities)[rendered].mean().sqrt())
            scores[f"calibration_{name}"] = float(torch.cat(ratios)[rendered].square().mean().sqrt())
        return scores

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out crops with the 68 points found (green seen, red occluded) and true ones (white)."""
        if self.check is None:
            return None
        size, zoom = self.config.input_size, 2
        rows = self._rows(self.check, np.arange(24), np.zeros(24, bool))
        matrices, _ = crop_matrices(
            rows.points[:, DENSE_478], size, LANDMARK_MARGIN, np.random.default_rng(0)
        )
        images = crop_images(rows.images, matrices, size)
        truth = move_points(torch.from_numpy(rows.points), matrices)[:, :68]
        output = self._read(network(images.to(device)))
        tiles = (images.permute(0, 2, 3, 1).numpy() * 255).astype(np.uint8).repeat(zoom, 1).repeat(zoom, 2)
        for i, tile in enumerate(tiles):
            found = output.points[i, :68].cpu()
            for points, colours in (
                (truth[i], [(255, 255, 255)] * 68),
                (found, [(255, 40, 40) if c > 0 else (40, 255, 40) for c in output.occluded[i, :68].cpu()]),
            ):
                at = (points * zoom + zoom / 2).round().long().clamp(1, size * zoom - 2).numpy()
                for (x, y), colour in zip(at, colours):
                    tile[y - 1 : y + 1, x - 1 : x + 1] = colour
        return tiles.reshape(4, 6, *tiles.shape[1:]).swapaxes(1, 2).reshape(4 * tiles.shape[1], -1, 3)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Stores and rows."""
        return self.store.describe(indices)


RECIPE = Recipe(
    name="landmarks",
    summary="68 and 600 landmarks with visibility and uncertainty (N_lmk of Zhao & Qi, §3.1)",
    config=LandmarkRecipeConfig,
    build=LandmarkTask,
    sources=SOURCES,
    paper="Zhao & Qi, Generative face parsing map guided 3D face reconstruction under occluded scenes",
)
