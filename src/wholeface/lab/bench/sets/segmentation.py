"""Photos with the true visible face: CelebAMask-HQ, AR, annotated folders, and rendered faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError

__all__ = ["MaskItem", "load_items"]

Mask = NDArray[np.bool_]
_SEED = 9_200  # of the built-in faces: a series of its own
_AR = ("neutral", "glasses", "scarf")
Split = Literal["test", "held_out"]
_RENDERED = {  # group: (share of clean faces, occluders)
    "unoccluded": (1.0, None),
    "occluded": (0.0, None),
    "glasses": (0.0, {"sunglasses": 1.0}),
    "scarf": (0.0, {"scarves": 1.0}),
}


@dataclass(frozen=True)
class MaskItem:
    """A photo and where its face is seen.

    Args:
        name: of the photo.
        group: subset; empty where it follows from the share that is hidden (CelebAMask-HQ, annotated folders).
        load: gives pixels (H, W, 3) uint8, visible face (H, W) bool, and what may hide it (H, W) bool or None.
        person: who it is, for the bootstrap.
    """

    name: str
    group: str
    load: Callable[[], tuple[NDArray[np.uint8], Mask, Mask | None]]
    person: str


def load_items(
    data: Path | None,
    masks: Path | None,
    count: int | None,
    quick: bool,
    seed: int,
    split: Split = "held_out",
) -> tuple[Iterator[MaskItem], str, list[str]]:
    """Items, the name of the set, and notes about it.

    Args:
        data: folder of CelebAMask-HQ, of AR, or of ``<stem>.png``, ``<stem>_face.png``, ``<stem>_occluder.png``;
            None renders faces.
        masks: for AR, folder of the hand-drawn masks ``<stem>.png`` or ``<stem>_visible_skin_mask.png``.
        count: photos per group at most; None for all.
        quick: few.
        seed: of rendered faces.
        split: of the data engine, for the occluded ones.

    Raises:
        UsageError: a folder that is none of these.
        DataError: a dataset is incomplete.
    """
    if data is None:
        number = count or (3 if quick else 24)
        groups = ("unoccluded", "occluded") if quick else tuple(_RENDERED)
        note = (
            "rendered faces of subjects and behind occluders that are never trained on; exact masks. "
            "glasses and scarf stand for AR's subsets: sunglasses, and scarves over mouth and nose."
        )
        return _rendered(groups, number, seed, split), "held-out rendered faces", [note]
    if not data.is_dir():
        raise UsageError(f"--data {data}: no such folder; expected CelebAMask-HQ, AR, or annotated photos")
    limit = count or (8 if quick else None)
    if (data / "CelebAMask-HQ-mask-anno").is_dir():
        note = (
            "visible face: skin, brows, eyes, nose, lips, inner mouth; everything else inside the region is not. "
            "occluded: more than 5 % of the region shows hair, glasses, hat, jewellery, cloth or an object (the "
            "published subsets were drawn at random and are not listed)."
        )
        return _celeba(data, limit), "CelebAMask-HQ test", [note]
    if any(data.glob("*_face.png")):
        note = (
            "hand-drawn outlines; visible face: inside the outline and not occluded. occluded: more than 5 %."
        )
        return _annotated(data, limit), "annotated photos", [note]
    if masks is None:
        raise UsageError(
            f"--data {data}: neither CelebAMask-HQ (CelebAMask-HQ-mask-anno/) nor photos with <stem>_face.png; "
            "for AR also give --masks, the folder of hand-drawn masks of the visible face"
        )
    return _ar(data, masks, limit), "AR", ["only images with a mask (120 were drawn by hand)."]


def _chosen(count: int, limit: int | None) -> list[int]:
    if limit is None or limit >= count:
        return list(range(count))
    return [int(i) for i in np.unique(np.linspace(0, count - 1, limit).astype(np.int64))]


def _rendered(groups: tuple[str, ...], count: int, seed: int, occluded: Split) -> Iterator[MaskItem]:
    from ...data import FaceSample
    from ...data.engine import EngineSettings, FaceEngine

    def loader(sample: FaceSample) -> Callable[[], tuple[NDArray[np.uint8], Mask, Mask | None]]:
        return lambda: (sample.image, sample.face & (sample.occluder == 0), sample.occluder > 0)

    for number, group in enumerate(groups):
        clean, occluders = _RENDERED[group]
        split: Split = "test" if clean else occluded
        settings = EngineSettings(
            portraits=0.0, clean=clean, occluders=occluders, hair=0.75 if clean else 0.4
        )
        engine = FaceEngine(None, seed=_SEED + seed, split=split, settings=settings)
        for i in range(count):
            index = 10_000 * number + i  # other subjects in each group
            yield MaskItem(f"{group} {i}", group, loader(engine.sample(index)), str(index))


def _celeba(root: Path, limit: int | None) -> Iterator[MaskItem]:
    from ...data.datasets import CelebAMaskHQ, MapItem, occlusion_masks

    dataset = CelebAMaskHQ(root, "test")

    def loader(item: MapItem) -> Callable[[], tuple[NDArray[np.uint8], Mask, Mask | None]]:
        def load() -> tuple[NDArray[np.uint8], Mask, Mask | None]:
            labels = item.labels()
            if labels.shape[0] != labels.shape[1]:
                raise DataError(f"{item.path}: masks of {labels.shape} pixels; expected square ones")
            return item.image(labels.shape[0]), *occlusion_masks(labels)

        return load

    for i in _chosen(len(dataset), limit):
        yield MaskItem(dataset[i].name, "", loader(dataset[i]), dataset[i].name)


def _annotated(root: Path, limit: int | None) -> Iterator[MaskItem]:
    from ...data.datasets._reading import read_grey, read_rgb

    stems = sorted(path.name[: -len("_face.png")] for path in root.glob("*_face.png"))

    def loader(stem: str) -> Callable[[], tuple[NDArray[np.uint8], Mask, Mask | None]]:
        def load() -> tuple[NDArray[np.uint8], Mask, Mask | None]:
            face, occluded = (read_grey(root / f"{stem}_{part}.png") > 127 for part in ("face", "occluder"))
            pixels = read_rgb(root / f"{stem}.png")
            if not face.shape == occluded.shape == pixels.shape[:2]:
                raise DataError(f"{root / stem}_face.png: {face.shape} pixels; expected {pixels.shape[:2]}")
            return pixels, face & ~occluded, occluded

        return load

    for i in _chosen(len(stems), limit):
        yield MaskItem(stems[i], "", loader(stems[i]), stems[i])


def _ar(root: Path, masks: Path, limit: int | None) -> Iterator[MaskItem]:
    from ...data.datasets import AR, PhotoItem
    from ...data.datasets._reading import folder, read_grey

    folder(masks, "masks of the visible face, <stem>.png, white = visible face")

    def mask_of(item: PhotoItem) -> Path | None:
        for name in (f"{item.path.stem}.png", f"{item.path.stem}_visible_skin_mask.png"):
            if (masks / name).is_file():
                return masks / name
        return None

    def loader(item: PhotoItem, mask: Path) -> Callable[[], tuple[NDArray[np.uint8], Mask, Mask | None]]:
        def load() -> tuple[NDArray[np.uint8], Mask, Mask | None]:
            pixels, visible = item.image(), read_grey(mask) > 127
            if visible.shape != pixels.shape[:2]:
                raise DataError(f"{mask}: {visible.shape} pixels; expected {pixels.shape[:2]} as {item.name}")
            return pixels, visible, None

        return load

    anything = False
    for group in _AR:
        dataset = AR(root, group)  # type: ignore[arg-type]
        found = [
            (item, mask) for item in (dataset[i] for i in range(len(dataset))) if (mask := mask_of(item))
        ]
        anything |= bool(found)
        for i in _chosen(len(found), limit):
            item, mask = found[i]
            yield MaskItem(item.name, group, loader(item, mask), item.identity)
    if not anything:
        raise DataError(f"{masks}: holds no mask of any image in {root}; expected <stem>.png, as m-001-1.png")
