"""Stage: hidden wrinkles and folds from other faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from ...core.errors import UsageError
from ...core.provenance import Provenance
from ...core.threads import one_thread
from ...photo import warp
from ...render import pose_degrees
from ..stage import faces_side_by_side
from ..state import BumpMap, FaceFit, FaceState
from ..texture.uv.atlas import FACE, surface_of
from ..tools import Tools
from ..upright import UprightFace, upright
from .examples import (
    DEFAULT_EMBEDDING,
    SHIPPED_REFERENCES,
    CoefficientEmbedding,
    ReferenceSet,
    ReliefEmbedding,
    aligned,
    best_references,
    blend_into,
    coordinates_of,
    laid_on,
    load_references,
    seen_from,
    shortlist,
)

__all__ = ["FillByExamples", "hidden_skin"]

_TRUST = 0.3  # of filled pixels
_BESIDE = 85  # of the crop's edge, one part by which a hole reaches over pixels that are not seen as skin
_RIM = 51  # one part by which it reaches into seen skin, where relief fades, or shows the occluder's rim
_VIEW = 256  # pixels of a reference in image space
_VIEWPOINT_ALONE = (
    "hidden wrinkles come from a face that is seen from a similar viewpoint, not from a similar one: the set of "
    "references belongs to another face model"
)


@dataclass(frozen=True)
class FillByExamples:
    """Fills the hidden part of ``bump`` with the relief of the most similar references.

    1. A short list of the references that are seen most nearly from where the face is seen.
    2. Of these the ones whose embeddings have the largest cosine similarity.
    3. The mean of their relief brought into the crop: registered by the mesh, or moved by the similarity of the 68
       landmarks.
    4. Its gradients blended into the occluded region alone.

    Args:
        references: file of the set; None: the one that is shipped.
        embedding: by which subjects are compared; the set must have been made with the same.
        alignment: ``mesh`` lays the reference on the fitted surface; ``similarity`` moves its bump map in the image,
            as the paper does.
        count: length k of the short list.
        mean_of: so many of the most similar references are averaged. One, as in the paper, gives the strongest folds;
            the mean of a few comes closer to those that are hidden.
        screen_mm: how far from the hole's border the reference counts for itself; None: nowhere, as in the paper.

    Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR, sec. 4.2.
    """

    references: Path | None = None
    embedding: ReliefEmbedding = DEFAULT_EMBEDDING
    alignment: Literal["mesh", "similarity"] = "mesh"
    count: int = 100
    mean_of: int = 5
    screen_mm: float | None = None

    name: ClassVar[str] = "fill relief"
    reads: ClassVar[frozenset[str]] = frozenset({"fit", "mask", "bump"})
    writes: ClassVar[frozenset[str]] = frozenset({"bump"})

    def __post_init__(self) -> None:
        if self.alignment not in ("mesh", "similarity"):
            raise UsageError(f"alignment must be 'mesh' or 'similarity', got {self.alignment!r}")

    def prepare(self, tools: Tools) -> None:
        """Read the set of references, and register it with the face model."""
        references = self._set(tools)
        if self.alignment == "mesh":
            coordinates_of(tools.model, references.frame, references.card.sha256)

    @faces_side_by_side
    @one_thread()
    def __call__(self, face: FaceState, tools: Tools) -> FaceState:
        """See :class:`wholeface.stages.Stage`."""
        assert face.fit is not None
        assert face.bump is not None
        bump, fit = face.bump, face.fit
        size = len(bump.displacement)
        where = upright(fit, bump.crop, size)
        hole, corners, barycentric = _hole(face, where)
        if not hole.any():
            return face
        references = self._set(tools)
        if references.embedding != self.embedding.name:
            raise UsageError(
                f"the references were made with the embedding {references.embedding!r}, faces get "
                f"{self.embedding.name!r}; make the set again with that one (docs/methods.md says how)"
            )
        yaw, pitch, _ = pose_degrees(where.parameters.rotation).tolist()
        vector = np.asarray(self.embedding(face), np.float32)
        vector /= max(float(np.linalg.norm(vector)), 1e-12)
        if isinstance(self.embedding, CoefficientEmbedding) and not _same_model(references, fit):
            vector, face = np.zeros(references.embeddings.shape[1], np.float32), face.warn(_VIEWPOINT_ALONE)
        among = shortlist(references.viewpoints, yaw, pitch, self.count)
        chosen, _ = best_references(references.embeddings, vector, among, self.mean_of)
        example = np.full((size, size), np.nan, np.float32)
        if self.alignment == "mesh":
            coordinates = coordinates_of(fit.model, references.frame, references.card.sha256)
            shown = corners[..., 0] >= 0
            relief = _mean([references.relief(int(i)) for i in chosen])
            example[shown] = laid_on(relief, coordinates, corners[shown], barycentric[shown])
        else:
            landmarks = _landmarks(fit, where)
            example = _mean([_in_image(references, int(i), landmarks, size) for i in chosen])
        known = (bump.provenance == Provenance.OBSERVED) & ~hole
        screen = 0.0 if self.screen_mm is None else 1 / (self.screen_mm * _pixels_per_mm(where)) ** 2
        filled = blend_into(np.where(known, bump.displacement, 0), example, hole, known, screen=screen)
        return face.with_(
            bump=BumpMap(
                bump.crop,
                np.where(hole, filled, bump.displacement),
                np.where(hole, np.uint8(Provenance.EXAMPLE), bump.provenance),
                np.where(hole, np.float32(_TRUST), bump.confidence),
            )
        )

    def _set(self, tools: Tools) -> ReferenceSet:
        path = SHIPPED_REFERENCES if self.references is None else self.references
        return tools.networks.once(f"relief references {path}", lambda: load_references(path))


def _mean(relief: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Of what at least half of them know; NaN elsewhere."""
    if len(relief) == 1:
        return relief[0]
    stack = np.stack(relief)
    known = np.isfinite(stack)
    count = known.sum(axis=0)
    mean = np.where(known, stack, 0).sum(axis=0) / np.maximum(count, 1)
    return np.where(2 * count >= len(stack), mean, np.nan).astype(np.float32)


def _in_image(
    references: ReferenceSet, number: int, landmarks: NDArray[np.float64], size: int
) -> NDArray[np.float32]:
    """(S, S) a reference's own bump map, moved onto the face's landmarks."""
    yaw, pitch = references.viewpoints[number].tolist()
    view = seen_from(references.relief(number), references.frame, yaw, pitch, _VIEW)
    return aligned(view, landmarks, size)


def _same_model(references: ReferenceSet, fit: FaceFit) -> bool:
    made_of = str(references.card.notes.get("face_model", ""))
    return not made_of or made_of.split(maxsplit=1)[0] == fit.model.name


def hidden_skin(face: FaceState, region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(S, S) bool, pixels of the crop of ``bump`` where something hides the face.

    A pixel or two beside the occluder that the photo does not show as skin, and as many that it does, go with it:
    what a network saw there was the occluder's edge.

    Args:
        face: with ``mask`` and ``bump``.
        region: (S, S) where the face is, hidden or not.
    """
    assert face.mask is not None
    assert face.bump is not None
    bump = face.bump
    size = len(region)
    told = warp(face.mask.occluder, bump.crop, (size, size)) > 0.5
    hidden = region & (
        (told & (bump.provenance != Provenance.OBSERVED)) | (bump.provenance == Provenance.MODEL)
    )
    if not hidden.any():
        return hidden
    reach = max(1, round(size / _BESIDE))
    near = binary_dilation(hidden, iterations=reach)
    unseen = near & (bump.provenance != Provenance.OBSERVED)
    rim = binary_dilation(hidden | (unseen & region), iterations=max(1, round(size / _RIM)))
    grown: NDArray[np.bool_] = region & (hidden | unseen | rim)
    return grown


def _hole(
    face: FaceState, where: UprightFace
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.float32]]:
    """(S, S) what to fill, and the vertices and weights of the surface that each pixel of it shows; −1 elsewhere."""
    assert face.fit is not None
    surface = surface_of(face.fit.model)
    fragments = where.posed.seen(where.camera)
    triangle = fragments.triangle[0].cpu().numpy()
    region = (triangle >= 0) & (surface.kind[np.maximum(triangle, 0)] == FACE)
    hole = hidden_skin(face, region)
    corners = np.full((*hole.shape, 3), -1, np.int64)
    if hole.any():
        near = binary_dilation(hole) & region  # the gradient across the border needs both of its ends
        corners[near] = surface.triangles[triangle[near]]
    return hole, corners, fragments.barycentric[0].cpu().float().numpy()


def _landmarks(fit: FaceFit, where: UprightFace) -> NDArray[np.float64]:
    """(68, 2) crop pixels, by the fit: behind an occluder, too."""
    model = fit.model
    if model.landmarks_68 is None:
        raise UsageError(
            f"the similarity alignment needs 68 landmarks; the face model {model.name!r} has none"
        )
    with torch.no_grad():
        points = model.landmarks_68.points(where.posed.points, model.triangles)
        found: NDArray[np.float64] = where.camera.project(points).cpu().double().numpy()
    return found


def _pixels_per_mm(where: UprightFace) -> float:
    depth = float(-where.posed.points[:, 2].mean())
    return float(where.camera.focal) / max(depth, 1e-6)
