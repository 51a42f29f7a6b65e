"""From clean photos to a store: each face completed whole, and again with parts of it declared hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, NoFaceError, WholeFaceError
from ....core.short_repr import short_repr
from ....methods.analysis import fit_and_mask
from ....photo import read_photo, working_copy
from ....stages import FaceState, MaskEstimate, Tools, run_stages
from ....stages.shape.photometric_refinement import PhotometricRefinement
from ....stages.texture import CompleteSettings
from ....stages.texture.completion import TextureCompletion
from ....stages.texture.graph import VertexColours, face_mesh, vertex_colours
from .hiding import HIDINGS, hidden_part
from .photos import ColourPhoto
from .store import Views, write_store

__all__ = ["HiddenFaces", "build_colours", "hidden_faces", "hide", "perceived", "views_of"]

Array = NDArray[np.float32]

TEXTURE = 256  # texels: about as fine as the mesh, so that averages are of what the photo shows
_LONGEST = 384  # pixels of a photo: its face is then still finer than the mesh
_LEAST_SEEN = 0.35  # share of the face's texels
_LEAST_HIDDEN = 0.03  # share of the seen vertices
_LEAST_COMMON = 200  # vertices that are seen with and without the part
_WRITTEN = 30  # photos between two writings of the store
_SEEN = 0.6  # of a vertex's texels


def perceived(photo: ColourPhoto, tools: Tools) -> FaceState:
    """The photo's largest face with fit and mask.

    Raises:
        WholeFaceError: the photo cannot be read or shows no face.
    """
    read, _ = working_copy(read_photo(photo.path), _LONGEST)
    faces = tools.networks.detector.detect(read.pixels)
    if not faces:
        raise NoFaceError(f"{photo.name}: no face was found")
    done = run_stages(fit_and_mask(), [FaceState(photo=read, landmarks=faces[0])], tools)[0]
    if isinstance(done, WholeFaceError):
        raise done
    return done


def hide(state: FaceState, kind: str, rng: np.random.Generator) -> FaceState:
    """The same face with one part of it declared hidden; the photo's pixels stay as they are.

    Args:
        state: with fit and mask.
        kind: of :data:`HIDINGS`.
        rng: of the part.
    """
    assert state.fit is not None
    assert state.mask is not None
    model, mask = state.fit.model, state.mask
    seen = state.fit.posed.seen(state.fit.camera)
    triangle, barycentric = seen.triangle[0].numpy(), seen.barycentric[0].numpy()
    mesh = face_mesh(model)
    mean = model.mean.double().numpy()
    corners = mean[mesh.chosen]
    middle, span = 0.5 * (corners.max(0) + corners.min(0)), 0.5 * float(np.ptp(corners[:, 1]))
    places = np.einsum("hwj,hwjc->hwc", barycentric, mean[model.triangles.numpy()[np.maximum(triangle, 0)]])
    part = hidden_part(kind, (places - middle) / span, rng) & (triangle >= 0)
    occluder = np.maximum(mask.occluder, part.astype(np.float32))
    return state.with_(mask=MaskEstimate(occluder, mask.face_region, mask.spectacles))


def completed(states: Sequence[FaceState], tools: Tools, *, grain: float = 0.0) -> list[FaceState]:
    """Light, albedo and texture of faces with fit and mask.

    Raises:
        WholeFaceError: one of them cannot be completed.
    """
    stages = (PhotometricRefinement(), TextureCompletion(TEXTURE, CompleteSettings(grain=grain)))
    done = run_stages(stages, states, tools)
    for state in done:
        if isinstance(state, WholeFaceError):
            raise state
    return [state for state in done if isinstance(state, FaceState)]


@dataclass(frozen=True)
class HiddenFaces:
    """One face, whole and with parts of it hidden; M vertices of the face mesh.

    Args:
        name: of the photo.
        target: (M, 3) log colours of the texture of the whole photo.
        trust: (M,) float32 in [0, 1], how far the whole photo shows a vertex.
        kinds: of the hidden parts.
        states: as completed without each of these parts.
        colours: of these states.
        levels: (3,) each, how much brighter the colours of a state are than the target where both see: light is
            estimated anew from what is left.
    """

    name: str
    target: Array
    trust: Array
    kinds: Sequence[str]
    states: Sequence[FaceState]
    colours: Sequence[VertexColours]
    levels: Sequence[Array]

    __repr__ = short_repr


def hidden_faces(
    name: str, state: FaceState, kinds: Sequence[str], tools: Tools, seed: int = 0
) -> HiddenFaces | None:
    """Complete a face whole, and without one part of it after the other.

    Args:
        name: of the photo; together with the seed it decides what is hidden.
        state: with fit and mask.
        kinds: of :data:`HIDINGS`; parts that hide hardly anything of what the photo shows are left out.
        tools: of the stages.
        seed: of everything drawn.

    Returns:
        None where the photo shows too little of the face, has no colours, or no part hides enough.

    Raises:
        WholeFaceError: the face cannot be completed.
    """
    rng = np.random.default_rng([seed, crc32(name.encode())])
    done = completed([state, *(hide(state, kind, rng) for kind in kinds)], tools)
    whole = done[0].texture
    assert whole is not None
    if whole.monochrome or whole.observed_fraction < _LEAST_SEEN:
        return None
    target, *found = (_colours(s) for s in done)
    trust = np.where(target.observed > _SEEN, np.clip(target.confidence, 0, 1), 0).astype(np.float32)
    kept = []
    for n, seen in enumerate(found):
        hidden = float((trust * (1 - seen.observed)).sum() / max(float(trust.sum()), 1e-6))
        both = (trust > 0) & (seen.observed > _SEEN)
        if hidden >= _LEAST_HIDDEN and both.sum() >= _LEAST_COMMON:
            kept.append((n, np.median(seen.colours[both] - target.colours[both], axis=0)))
    if not kept:
        return None
    return HiddenFaces(
        name,
        target.colours,
        trust,
        [kinds[n] for n, _ in kept],
        [done[n + 1] for n, _ in kept],
        [found[n] for n, _ in kept],
        [level for _, level in kept],
    )


def views_of(faces: HiddenFaces) -> Views:
    """The samples of one photo."""
    rows = {
        "colours": [seen.colours for seen in faces.colours],
        "model": [seen.model for seen in faces.colours],
        "known": [np.stack([s.observed, s.mirrored, s.confidence], axis=1) for s in faces.colours],
        "target": [faces.target + level for level in faces.levels],
        "trust": [faces.trust for _ in faces.kinds],
    }
    return Views(faces.name, faces.kinds, {name: np.stack(v).astype(np.float32) for name, v in rows.items()})


def _colours(state: FaceState) -> VertexColours:
    assert state.fit is not None
    assert state.texture is not None
    return vertex_colours(state.fit.model, state.texture, state.fit.parameters)


def build_colours(
    folder: Path,
    photos: Sequence[ColourPhoto],
    tools: Tools,
    *,
    parts: int = 3,
    seed: int = 0,
    progress: Callable[[str], None] = lambda line: None,
) -> int:
    """Make a store. It is written now and then on the way, so that a build that is cut off leaves one, too.

    Args:
        folder: of the store.
        photos: that are read.
        tools: of the stages; the store is of its face model.
        parts: samples of each photo, of one kind of hidden part after the other; where they begin goes by its name.
        seed: of what is hidden.
        progress: is told of each photo.

    Returns:
        Samples in the store.

    Raises:
        DataError: no photo could be used.
    """
    views: list[Views] = []
    settings = {"parts": parts, "seed": seed, "texture": TEXTURE, "longest": _LONGEST}
    model = f"{tools.model.name} {tools.model.version}"
    # In no order of theirs, so that what is there is a fair part of the whole.
    photos = sorted(photos, key=lambda photo: crc32(photo.name[::-1].encode()))
    for done, photo in enumerate(photos, start=1):
        kinds = [HIDINGS[(crc32(photo.name.encode()) // 5 + k) % len(HIDINGS)] for k in range(parts)]
        try:
            found = hidden_faces(photo.name, perceived(photo, tools), kinds, tools, seed)
            words = "shows too little" if found is None else f"{len(found.kinds)} samples"
        except WholeFaceError as error:
            found, words = None, str(error)
        if found is not None:
            views.append(views_of(found))
        progress(f"{done}/{len(photos)} {photo.name}: {words}")
        if views and done % _WRITTEN == 0:
            write_store(folder, model, views, settings)
    if not views:
        raise DataError("none of the photos could be used")
    write_store(folder, model, views, settings)
    return sum(len(v.kinds) for v in views)
