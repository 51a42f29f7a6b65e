"""Everything about the portraits that is computed once: fits, labels, and the file that keeps them."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import UsageError
from ....morphable import MorphableModel

__all__ = [
    "PortraitTable",
    "clean_portraits",
    "default_cache",
    "portraits_folder",
    "prepare_portraits",
    "read_arrays",
    "read_portrait",
    "shipped_model",
    "write_arrays",
]

Array = NDArray[Any]

CODE_VERSION = 4  # raise it when what is computed changes: caches are rebuilt
_FLAWS = ("glasses", "hair_over_face", "other_occluder", "discoloured")
_OFFSET_FROM = 60  # portraits on which the teacher's offset is measured
# What makes a portrait's labels doubtful, as a share of its face; such portraits are left out.
_LIMITS = {"cut": 0.22, "middle": 0.05, "open": 0.15, "background": 0.06, "low_cut": 0.09}
_WORST_FIT = 0.06  # mean distance of the fit from the teacher over the outer-eye distance
_FACE_BIT = 64
_DAMAGED = (OSError, KeyError, ValueError, EOFError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class PortraitTable:
    """What is known about N portraits; pixels of the portraits.

    Args:
        names: (N,) file names.
        width: (N,) pixels.
        height: (N,) pixels.
        landmarks_68: (N, 68, 2) float32.
        facing_68: (N, 68) bool.
        dense: (N, D, 2) float32.
        facing_dense: (N, D) bool.
        rotation: (N, 3) axis-angle.
        translation: (N, 3) mm.
        focal: (N,) pixels.
        centre: (N, 2) principal point, pixels.
        box: (N, 4) of the upright face region: centre x and y, longer side in pixels, roll in radians (direction of
            the face's image-right axis).
        factor: (N, 2) pixels of the label map per pixel of the portrait.
        map_shape: (N, 2) rows and columns of the label maps.
        map_start: (N + 1,) where each compressed label map begins in ``maps``.
        maps: bytes: zlib of parsing class (63 = IGNORE) + 64 where the face is.
        residual: (N,) mean distance between the fitted model's 478 points and the teacher's, over the outer-eye
            distance.
        corrected: (N,) the same for the points that are used.
        test: (N,) bool, held out.
    """

    names: Array
    width: Array
    height: Array
    landmarks_68: Array
    facing_68: Array
    dense: Array
    facing_dense: Array
    rotation: Array
    translation: Array
    focal: Array
    centre: Array
    box: Array
    factor: Array
    map_shape: Array
    map_start: Array
    maps: Array
    residual: Array
    corrected: Array
    test: Array

    def __len__(self) -> int:
        return len(self.names)

    def label_map(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """(h, w) parsing (``IGNORE`` = 255) and face outline of one portrait."""
        code = self.coded_map(index)
        parsing = code & (_FACE_BIT - 1)
        return np.where(parsing == _FACE_BIT - 1, 255, parsing).astype(np.uint8), (code & _FACE_BIT) > 0

    def coded_map(self, index: int) -> NDArray[np.uint8]:
        """(h, w) uint8 as stored: class + 64 inside the face."""
        start, end = int(self.map_start[index]), int(self.map_start[index + 1])
        rows, columns = (int(n) for n in self.map_shape[index])
        data = zlib.decompress(self.maps[start:end].tobytes())
        return np.frombuffer(data, np.uint8).reshape(rows, columns)


def portraits_folder(root: Path) -> Path:
    """The folder with ``index.json``: ``root`` itself, ``root/portraits`` or ``root/data/portraits``.

    Raises:
        UsageError: none of them has it.
    """
    for folder in (root, root / "portraits", root / "data" / "portraits"):
        if (folder / "index.json").is_file() and (folder / "mediapipe_478.npz").is_file():
            return folder
    raise UsageError(
        f"no portraits in {root}: expected index.json and mediapipe_478.npz there, or in portraits/"
    )


def default_cache() -> Path:
    """``$XDG_CACHE_HOME/wholeface`` or ``~/.cache/wholeface``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wholeface"


def clean_portraits(root: Path) -> list[tuple[str, Array, bool]]:
    """File name, teacher's points (478, 2) and whether it is held out, of each portrait that is a clean target.

    Public-domain portraits (``bio_guide``) without glasses, hair over the face, other occluders or stains.
    Every tenth of the sorted list of all public-domain portraits is held out.

    Raises:
        UsageError: no portraits there, or landmarks that do not fit the index.
    """
    folder = portraits_folder(root)
    entries = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    with np.load(folder / "mediapipe_478.npz") as data:
        points = data["landmarks"].astype(np.float64)
    if points.shape != (len(entries), 478, 2):
        raise UsageError(
            f"{folder / 'mediapipe_478.npz'}: landmarks have the shape {points.shape}, "
            f"expected ({len(entries)}, 478, 2)"
        )
    order = sorted((e["file"], i) for i, e in enumerate(entries) if e["source"] == "bio_guide")
    return [
        (name, points[i], k % 10 == 9)
        for k, (name, i) in enumerate(order)
        if not any(entries[i].get(flaw) for flaw in _FLAWS) and np.isfinite(points[i]).all()
    ]


def read_portrait(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 sRGB.

    Raises:
        UsageError: not a readable image.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise UsageError(f"portrait {path} cannot be read: {error}") from error


def prepare_portraits(
    root: Path,
    cache: Path | None = None,
    *,
    model: MorphableModel | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PortraitTable:
    """Read the cache of the clean portraits, or fit and label them, which takes about two minutes on one core.

    The cache is a file whose name holds a hash of the portraits, the face model's version and points, and this
    code's version; work that was interrupted goes on where it stopped.

    Args:
        root: folder of the portraits, see :func:`portraits_folder`.
        cache: folder for the file; None for :func:`default_cache`.
        model: the shipped model, if it is loaded already.
        limit: only so many portraits, evenly spread (for tests and trials).
        progress: called with the number of portraits that are done, and their total.

    Raises:
        UsageError: no portraits there; mediapipe, which finds the persons' outlines, is not installed.
    """
    chosen = clean_portraits(root)
    if limit is not None and limit < len(chosen):
        chosen = [chosen[i] for i in np.linspace(0, len(chosen) - 1, limit).astype(int)]
    folder = portraits_folder(root)
    model = model or shipped_model()
    store = cache or default_cache()
    key = _key(folder, chosen, model)
    path = store / f"portraits_{key}.npz"
    table = _read(path)
    if table is None:
        parts = store / f"portraits_{key}"
        parts.mkdir(parents=True, exist_ok=True)
        found = list(_work(folder, chosen, model, parts, progress))
        table = _table(found)
        write_arrays(path, {f.name: getattr(table, f.name) for f in fields(table)})
        for part in parts.glob("*.npz"):
            part.unlink()
        with suppress(OSError):
            parts.rmdir()
    return table


def shipped_model() -> MorphableModel:
    """The face model that the package carries."""
    from ....morphable.loaders import load_model

    return load_model()


def _key(folder: Path, chosen: list[tuple[str, Array, bool]], model: MorphableModel) -> str:
    digest = hashlib.sha256(f"{CODE_VERSION} {model.name} {model.version}".encode())
    if model.landmarks_478 is not None:
        for part in (model.landmarks_478.triangle, model.landmarks_478.barycentric):
            digest.update(part.numpy().tobytes())
    for name, points, test in chosen:
        digest.update(f"{name} {test}".encode())
        digest.update(points.tobytes())
        with suppress(OSError):
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:16]


def _read(path: Path) -> PortraitTable | None:
    """The table of a cache file; None where there is none or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return PortraitTable(**{f.name: data[f.name] for f in fields(PortraitTable)})
    except _DAMAGED:
        return None


def write_arrays(path: Path, arrays: dict[str, Array]) -> None:
    """Write an npz file all at once or not at all."""
    temporary = path.with_name(f"{path.stem}.{os.getpid()}.tmp.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]  # the stub: one could be allow_pickle
    os.replace(temporary, path)


def _work(
    folder: Path,
    chosen: list[tuple[str, Array, bool]],
    model: MorphableModel,
    parts: Path,
    progress: Callable[[int, int], None] | None,
) -> Iterator[dict[str, Array]]:
    """One record for each portrait; those that are there already are read."""
    worker: _Worker | None = None
    for done, (name, points, test) in enumerate(chosen):
        part = parts / f"{Path(name).stem}.npz"
        record = read_arrays(part)
        if record is None:
            worker = worker or _Worker(folder, chosen, model, parts)
            record = worker.record(name, points, test)
            write_arrays(part, record)
        yield record
        if progress is not None:
            progress(done + 1, len(chosen))


def read_arrays(path: Path) -> dict[str, Array] | None:
    """The arrays of an npz file; None where there is none or it is damaged."""
    try:
        with np.load(path, allow_pickle=False) as data:
            return dict(data)
    except _DAMAGED:
        return None


class _Worker:
    """Holds what all portraits need."""

    def __init__(
        self, folder: Path, chosen: list[tuple[str, Array, bool]], model: MorphableModel, parts: Path
    ) -> None:
        try:
            import mediapipe  # noqa: F401
        except ImportError as error:
            raise UsageError(
                "labelling the portraits needs mediapipe as a teacher: pip install 'wholeface[mediapipe]'"
            ) from error
        from ....perceive import MediapipeDetector
        from .labels import make_person_mask
        from .landmarks import make_surface, teacher_offset

        self.folder, self.model = folder, model
        path = parts / "offset.npz"
        kept = read_arrays(path)
        if kept is None:
            some = [
                chosen[i] for i in np.linspace(0, len(chosen) - 1, min(_OFFSET_FROM, len(chosen))).astype(int)
            ]
            images = [(read_portrait(folder / name), points) for name, points, _ in some]
            kept = {"offset": teacher_offset(model, MediapipeDetector(), images)}
            write_arrays(path, kept)
        self.surface = make_surface(model, kept["offset"])
        self.person = make_person_mask()

    def record(self, name: str, points: Array, test: bool) -> dict[str, Array]:
        """Everything about one portrait; ``keep`` says whether it is reliable."""
        from .labels import label_portrait
        from .landmarks import place_head

        pixels = read_portrait(self.folder / name)
        height, width = pixels.shape[:2]
        head = place_head(self.surface, points, width, height)
        labels = label_portrait(self.model, pixels, self.person(pixels), head, points)
        code = np.minimum(labels.parsing, _FACE_BIT - 1) + _FACE_BIT * labels.face.astype(np.uint8)
        wrong = [k for k, limit in _LIMITS.items() if labels.doubts[k] > limit]
        good = not wrong and float(head.residual.mean()) < _WORST_FIT
        return {
            "keep": np.array(good),
            "names": np.array(name),
            "width": np.array(width),
            "height": np.array(height),
            "landmarks_68": head.landmarks_68,
            "facing_68": head.facing_68,
            "dense": head.dense,
            "facing_dense": head.facing_dense,
            "rotation": head.rotation,
            "translation": head.translation,
            "focal": np.array(float(head.camera.focal), np.float32),
            "centre": np.array([float(head.camera.cx), float(head.camera.cy)], np.float32),
            "box": _box(self.model, head),
            "factor": np.array(labels.factor),
            "map_shape": np.array(labels.parsing.shape),
            "maps": np.frombuffer(zlib.compress(code.tobytes(), 6), np.uint8),
            "residual": np.array(head.residual.mean()),
            "corrected": np.array(head.corrected.mean()),
            "test": np.array(test),
        }


def _box(model: MorphableModel, head: Any) -> NDArray[np.float32]:
    """Centre, longer side and roll of the upright box around the projected region "face"."""
    import torch

    marks = head.landmarks_68
    across = marks[42:48].mean(0) - marks[36:42].mean(0)
    roll = float(np.arctan2(across[1], across[0]))
    cos, sin = np.cos(roll), np.sin(roll)
    turn = np.array([[cos, sin], [-sin, cos]])
    region = model.region("face").numpy()
    seen = head.camera.project(torch.from_numpy(head.vertices[region])).numpy() @ turn.T
    low, high = seen.min(0), seen.max(0)
    x, y = (low + high) / 2 @ turn
    return np.array([x, y, float((high - low).max()), roll], np.float32)


def _table(records: list[dict[str, Array]]) -> PortraitTable:
    kept = [r for r in records if bool(r["keep"])]
    if not kept:
        raise UsageError("none of the portraits could be labelled")
    columns = {
        f.name: np.stack([r[f.name] for r in kept])
        for f in fields(PortraitTable)
        if f.name not in ("maps", "map_start")
    }
    starts = np.concatenate([[0], np.cumsum([len(r["maps"]) for r in kept])])
    return PortraitTable(**columns, maps=np.concatenate([r["maps"] for r in kept]), map_start=starts)
