"""From photos to a set of references."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ....core.errors import DataError, WholeFaceError
from ....networks.weights import WeightCard
from ....photo import read_photo
from ....stages import FaceState, Stage, Tools, run_stages
from ....stages.relief.examples import ReliefEmbedding, frame_of, save_references
from .reference import Reference, reference_of

__all__ = ["build_references", "faces_of"]


def build_references(
    out: Path,
    photos: Sequence[Path],
    faces: Callable[[Path], Iterator[FaceState]],
    tools: Tools,
    embedding: ReliefEmbedding,
    card: WeightCard,
    *,
    size: int = 320,
    step: float = 0.02,
    progress: Callable[[str], None] = print,
) -> WeightCard:
    """Write a set of references; one that was interrupted goes on where it stopped.

    What is done is kept in a folder beside the set until that is written. In the set, subjects are ordered by their
    viewpoint: neither names nor the order of the photos are in it.

    Args:
        out: file to write, ending in ``.safetensors``.
        photos: each of another subject, best.
        faces: a photo -> its faces with ``fit``, ``mask`` and ``bump``, see :func:`faces_of`.
        tools: for the face model, whose atlas the frame is.
        embedding: by which subjects will be compared.
        card: of the set; the name of the embedding is added.
        size: edge of the whole atlas in texels; the frame is the part around the face.
        step: mm between two codes.
        progress: told what happens, line by line.

    Returns:
        The card as written.

    Raises:
        DataError: no face that can be a reference.
        UsageError: the model has no atlas or landmarks.
    """
    frame, _ = frame_of(tools.model, size)
    parts = out.with_suffix(".parts")
    parts.mkdir(parents=True, exist_ok=True)
    for number, photo in enumerate(photos, 1):
        told = f"{photo.resolve()} {embedding.name} {size}"
        part = parts / f"{hashlib.sha256(told.encode()).hexdigest()[:24]}.npz"
        if part.is_file():
            continue
        try:
            found = [reference_of(face, embedding, size) for face in faces(photo)]
        except WholeFaceError as error:
            progress(f"{number} of {len(photos)}: {photo.name}: {error}")
            continue
        _keep(part, [one for one in found if one is not None])
        progress(f"{number} of {len(photos)}")
    kept = [one for part in sorted(parts.glob("*.npz")) for one in _kept(part)]
    if not kept:
        raise DataError(f"none of {len(photos)} photos shows a face that could be a reference")
    kept.sort(key=lambda one: (*one.viewpoint.tolist(), *one.embedding.tolist()))
    written = save_references(
        out,
        frame,
        [one.relief for one in kept],
        np.stack([one.viewpoint for one in kept]),
        np.stack([one.embedding for one in kept]),
        _with_notes(card, embedding, tools, len(kept)),
        step=step,
    )
    shutil.rmtree(parts)
    return written


def faces_of(stages: Sequence[Stage], tools: Tools) -> Callable[[Path], Iterator[FaceState]]:
    """What leads the largest face of a photo through some stages.

    Args:
        stages: those that fill ``fit``, ``mask`` and ``bump``.
        tools: for them.
    """

    def faces(photo: Path) -> Iterator[FaceState]:
        read = read_photo(photo)
        found = tools.networks.detector.detect(read.pixels)
        states = [FaceState(read, marks, face_count=len(found)) for marks in found[:1]]
        for state in run_stages(stages, states, tools):
            if not isinstance(state, FaceState):
                raise state
            yield state

    return faces


def _with_notes(card: WeightCard, embedding: ReliefEmbedding, tools: Tools, count: int) -> WeightCard:
    from dataclasses import replace

    model = f"{tools.model.name} {tools.model.version}"
    notes = {**card.notes, "embedding": embedding.name, "face_model": model, "references": count}
    return replace(card, notes=notes)


def _keep(part: Path, references: Sequence[Reference]) -> None:
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]] = {}
    for i, one in enumerate(references):
        arrays |= {f"relief{i}": one.relief, f"viewpoint{i}": one.viewpoint, f"embedding{i}": one.embedding}
    whole = part.with_name(part.name + ".part")
    with whole.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy's stubs take the names for options
    os.replace(whole, part)


def _kept(part: Path) -> list[Reference]:
    try:
        with np.load(part) as arrays:
            count = len(arrays.files) // 3
            return [
                Reference(arrays[f"relief{i}"], arrays[f"viewpoint{i}"], arrays[f"embedding{i}"])
                for i in range(count)
            ]
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{part} is damaged: {error}; delete it and go on") from error
