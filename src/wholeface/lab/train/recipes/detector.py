"""The face detector: scenes with no, one or several faces of any size and roll."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ....core.boxes import box_iou
from ....networks import DetectorNet, DetectorNetConfig, channels_last
from ....perceive.face_detector import DetectedFace, cells, decode_arrays, suppress
from ...data.stores.shared import SharedStore
from ..engine.initial import start_from
from ..losses import detector_loss
from ..recipe import Batch, Recipe, Task, TrainConfig
from ..transforms.colour import jitter_colours
from ..transforms.scenes import Scene, SceneSettings, make_scene, mirrored, quarter_turned
from ._sources import SOURCES

__all__ = ["RECIPE", "DetectorRecipeConfig"]


@dataclass(frozen=True)
class DetectorRecipeConfig(TrainConfig):
    """Settings of the detector's training.

    Args:
        stores: folders of stored training samples.
        check: folder of stored held-out samples.
        initial: checkpoint whose weights to start from, or none.
        scene_size: edge of the training images in pixels, a multiple of 32.
        scenes: number of different scenes, made from the samples when first needed and kept in memory; each time they
            are mirrored, turned and coloured anew.
        turned: share of faces at any roll in the scenes as they are made.
        empty: share of scenes without a face.
        smallest: face size in pixels.
        width: factor on the network's channels.
    """

    stores: tuple[Path, ...] = ()
    check: Path | None = None
    initial: Path | None = None
    scene_size: int = 160
    scenes: int = 4_000
    turned: float = 0.3
    empty: float = 0.25
    smallest: float = 16.0
    width: float = 1.0
    steps: int = 4_000
    batch_size: int = 16
    learning_rate: float = 2e-3
    warmup: int = 100
    validate_every: int = 1000


class DetectorTask(Task):
    """See :data:`RECIPE`."""

    def __init__(self, config: DetectorRecipeConfig) -> None:
        self.config = config
        self.store = SharedStore(config.stores)
        self.check = SharedStore((config.check,)) if config.check is not None else None
        self.network: nn.Module = channels_last(DetectorNet(DetectorNetConfig(width=config.width)))
        start_from(self.network, config.initial)
        self.train_size = config.scenes
        self.preprocessing = {"range": [0, 1], "colour": "sRGB"}
        self._settings = SceneSettings(
            size=config.scene_size, smallest=config.smallest, turned=config.turned, empty=config.empty
        )
        self._made: dict[int, Scene] = {}

    def _scene(self, store: SharedStore, seed: tuple[int, ...]) -> Scene:
        from ...data.compositing.backgrounds import random_background

        rng = np.random.default_rng(seed)
        return make_scene(store.__getitem__, len(store), rng, self._settings, random_background)

    def load(self, indices: NDArray[np.int64], generator: torch.Generator) -> Batch:
        """Scenes and their faces, padded to the most in the batch."""
        rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        scenes = []
        for index in indices.tolist():
            if index not in self._made:
                self._made[index] = self._scene(self.store, (self.config.seed, index))
            scene = self._made[index]
            if rng.random() < 0.5:
                scene = mirrored(scene)
            for _ in range(int(rng.choice(4, p=(0.76, 0.08, 0.08, 0.08)))):
                scene = quarter_turned(scene)
            scenes.append(scene)
        most = max(1, *(len(scene.boxes) for scene in scenes))
        boxes = np.zeros((len(scenes), most, 4), np.float32)
        points = np.zeros((len(scenes), most, 5, 2), np.float32)
        for i, scene in enumerate(scenes):
            boxes[i, : len(scene.boxes)] = scene.boxes
            points[i, : len(scene.boxes)] = scene.points
        images = (
            torch.from_numpy(np.stack([scene.image for scene in scenes])).permute(0, 3, 1, 2).float() / 255
        )
        return {
            "image": jitter_colours(images, generator, 0.6),
            "boxes": torch.from_numpy(boxes),
            "points": torch.from_numpy(points),
            "count": torch.tensor([len(scene.boxes) for scene in scenes]),
        }

    def losses(self, network: nn.Module, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Score, box and points."""
        del progress
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        centres, strides = (torch.from_numpy(a).to(image.device) for a in cells(*image.shape[2:]))
        parts = detector_loss(
            network(image), batch["boxes"], batch["points"], batch["count"], centres, strides
        )
        return {"loss": parts["total"], **{name: parts[name] for name in ("score", "box", "points")}}

    def _found(
        self, network: nn.Module, scene: Scene, device: torch.device, least: float
    ) -> list[DetectedFace]:
        image = torch.from_numpy(scene.image).permute(2, 0, 1)[None].float() / 255
        raw = network(image.to(device).contiguous(memory_format=torch.channels_last))[0].cpu().numpy()
        score, boxes, points = decode_arrays(raw, *cells(*scene.image.shape[:2]))
        keep = np.nonzero(score > least)[0]
        return suppress([DetectedFace(boxes[i].astype(float), points[i], float(score[i])) for i in keep])

    @torch.no_grad()
    def validate(self, network: nn.Module, device: torch.device) -> dict[str, float]:
        """Recall and precision at IoU 0.5 and score 0.5 on held-out scenes; mean IoU of the matched boxes."""
        if self.check is None:
            return {}
        true = found_all = matched = false_in_empty = empty = 0
        overlaps = []
        for i in range(200):
            scene = self._scene(self.check, (77, i))
            found = self._found(network, scene, device, 0.5)
            true, found_all = true + len(scene.boxes), found_all + len(found)
            empty += len(scene.boxes) == 0
            false_in_empty += len(found) if len(scene.boxes) == 0 else 0
            for box in scene.boxes:
                best = max((float(box_iou(box, face.box)) for face in found), default=0.0)
                matched += best > 0.5
                overlaps += [best] if best > 0.5 else []
        return {
            "recall": matched / max(true, 1),
            "precision": matched / max(found_all, 1),
            "iou": float(np.mean(overlaps)) if overlaps else 0.0,
            "false_per_empty": false_in_empty / max(empty, 1),
        }

    @torch.no_grad()
    def contact_sheet(self, network: nn.Module, device: torch.device) -> NDArray[np.uint8] | None:
        """Held-out scenes with the boxes found (green) and true ones (white)."""
        if self.check is None:
            return None
        tiles = []
        for i in range(12):
            scene = self._scene(self.check, (77, i))
            tile = scene.image.copy()
            found = self._found(network, scene, device, 0.5)
            for box, colour in [
                *((b, (255, 255, 255)) for b in scene.boxes),
                *((f.box, (40, 255, 40)) for f in found),
            ]:
                _draw_box(tile, box, colour)
            tiles.append(tile)
        grid = np.stack(tiles)
        edge = grid.shape[1]
        return grid.reshape(3, 4, edge, edge, 3).swapaxes(1, 2).reshape(3 * edge, 4 * edge, 3)

    def describe(self, indices: NDArray[np.int64]) -> str:
        """Seeds of the scenes."""
        return f"scenes {indices.tolist()} of seed {self.config.seed}"


def _draw_box(tile: NDArray[np.uint8], box: NDArray[Any], colour: tuple[int, int, int]) -> None:
    x0, y0, x1, y1 = np.clip(np.rint(box), 0, tile.shape[0] - 1).astype(int)
    tile[y0 : y1 + 1, [x0, x1]] = colour
    tile[[y0, y1], x0 : x1 + 1] = colour


RECIPE = Recipe(
    name="detector",
    summary="small single-shot face detector with five points a face",
    config=DetectorRecipeConfig,
    build=DetectorTask,
    sources=SOURCES,
    paper="after BlazeFace (Bazarevsky et al. 2019), YuNet (Wu et al. 2023) and FCOS (Tian et al. 2019)",
)
