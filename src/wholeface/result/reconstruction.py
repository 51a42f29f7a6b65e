"""What one face of one photo became."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.errors import UsageError
from ..core.packing import packed, unpacked
from ..core.provenance import Provenance
from ..core.srgb_torch import srgb_to_linear
from ..core.tangents import TangentFrames
from ..core.threads import one_thread
from ..export import Mesh, encode_jpeg, encode_png
from ..morphable import MorphableModel, Parameters
from ..morphable.expression_names import check_weights
from ..perceive import FaceLandmarks
from ..photo import Photo
from ..render import Camera, HeadView, vertex_normals
from ..stages import DeoccludedImage, GeneratedFace, ReliefMap, Spectacles
from ..stages.deocclude import deocclude
from ..stages.deocclude.generator.compose import compose, finer_than_crop
from ..stages.posed import PosedFace
from ..stages.relief.normal_map import frames_of, normal_map, split_of
from ..stages.texture import CompletedTexture
from ..stages.texture.uv.generated import with_matte
from .quality import Quality

__all__ = ["VIEWS", "Reconstruction"]

VIEWS: dict[str, tuple[float, float]] = {
    "front": (0.0, 0.0),
    "left": (50.0, 0.0),
    "right": (-50.0, 0.0),
    "profile_left": (90.0, 0.0),
    "profile_right": (-90.0, 0.0),
    "above": (0.0, -30.0),
    "below": (0.0, 30.0),
}
"""Named views: (yaw, pitch) of the head in degrees."""

_PACKED = ("occluder", "face_region")  # of a pickle, without loss


@dataclass(frozen=True)
class Reconstruction:
    """A complete, textured, animatable head, and the record of how it came about.

    Args:
        photo: the photo as it was read.
        landmarks: the points that the detector found.
        model: the face model; ``parameters`` and ``camera``: its fit to the photo.
        occluder: (H, W) float32, probability of something in front of the face; 0 outside ``face_region`` and
            what the parsing network holds for face beyond it.
        face_region: (H, W) bool, the projected face, hidden parts included.
        completed: the whole UV texture with provenance and confidence; colours at the vertices where the model has
            no UV coordinates.
        generated: what a network made of the hidden face, where the method has one.
        image: the photo without the occluder, where the method makes it itself; see :attr:`deoccluded`.
        relief: wrinkles and folds on the head, where the method finds any.
        spectacles: their frames and lenses, where the face wears any: frames and dark lenses are part of
            ``occluder``, a clear lens is face that is seen through glass.
        quality: verdict in one word and the reasons.
        method: the system that ran.
        face_number: 1 = the largest face of the photo; ``face_count``: how many faces the photo shows.
        warnings: what the user should know, in sentences.
        timings_ms: milliseconds spent in each stage.
        posed_expression: (E,) weights that :meth:`mesh` and :meth:`render` use instead of the fitted ones.
        posed: the fitted face in camera space, where the stages left it; only saves computing it anew.

    Images are computed when they are asked for, and kept. A pickled reconstruction names its face model instead of
    carrying it (see :class:`wholeface.morphable.MorphableModel`), and leaves out what can be computed again.
    """

    photo: Photo
    landmarks: FaceLandmarks
    model: MorphableModel
    parameters: Parameters
    camera: Camera
    occluder: NDArray[np.float32]
    face_region: NDArray[np.bool_]
    completed: CompletedTexture
    quality: Quality
    generated: GeneratedFace | None = None
    image: DeoccludedImage | None = None
    relief: ReliefMap | None = None
    spectacles: Spectacles | None = None
    method: str = "auto"
    face_number: int = 1
    face_count: int = 1
    warnings: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    posed_expression: Tensor | None = None
    posed: PosedFace | None = field(default=None, repr=False, compare=False)

    def __repr__(self) -> str:
        return (
            f"<Reconstruction of {self.photo.source!r}: face {self.face_number} of {self.face_count}, "
            f"{self.hidden_fraction:.0%} hidden, quality {self.quality.verdict}, "
            f"model {self.model.name!r}, method {self.method!r}>"
        )

    def _repr_png_(self) -> bytes:
        return encode_png(self.preview)

    def _repr_html_(self) -> str:
        # Notebooks show this: the preview and the sentence.
        image = base64.b64encode(encode_jpeg(self.preview)).decode("ascii")
        return (
            f'<img src="data:image/jpeg;base64,{image}" style="max-width: 100%" alt="preview"/>'
            f"<div>{html.escape(repr(self))}</div>"
        )

    @property
    def hidden_fraction(self) -> float:
        """Share of the projected face that is hidden, in [0, 1]."""
        area = int(self.face_region.sum())
        return float((self.occluder > 0.5)[self.face_region].sum() / area) if area else 0.0

    @property
    def expression(self) -> Tensor:
        """(E,) expression weights that the mesh shows: the posed ones, else the fitted ones."""
        return self.parameters.expression if self.posed_expression is None else self.posed_expression

    @cached_property
    def vertices(self) -> NDArray[np.float32]:
        """(V, 3) mm, model space, with the current expression."""
        if self.posed_expression is None:
            return PosedFace.of(self.model, self.parameters, self.posed).shape.numpy().astype(np.float32)
        return self.model.vertices(self.parameters.identity, self.expression).numpy().astype(np.float32)

    @cached_property
    def normals(self) -> NDArray[np.float32]:
        """(V, 3) unit, outward, model space, of :attr:`vertices`."""
        return vertex_normals(torch.from_numpy(self.vertices), self.model.triangles).numpy()

    @cached_property
    def normal_map(self) -> NDArray[np.uint8] | None:
        """(S, S, 3) :attr:`relief` as a normal map in tangent space, on :attr:`vertices`; None where there is none,
        and of a face model without UV coordinates.

        Red to the right in the texture, green upwards, blue outwards; 127.5 times as long plus 127.5.
        """
        if self.relief is None or self.relief.displacement.ndim != 2:
            return None
        return normal_map(self.model, self.relief.displacement, self._frames)

    @cached_property
    def _frames(self) -> TangentFrames:
        return frames_of(self.model, self.vertices, self.normals)

    @cached_property
    def deoccluded(self) -> NDArray[np.uint8]:
        """(H, W, 3) the photo without the occluder: as the method made it, else with the completed face rendered."""
        return self.deoccluded_image.pixels

    @cached_property
    def deoccluded_image(self) -> DeoccludedImage:
        """:attr:`deoccluded`, and where each of its pixels comes from."""
        if self.image is not None:
            return self.image
        if self.generated is None:
            pixels = self._rendered_over(self.occluder)
            return DeoccludedImage.changed(pixels, self.photo.pixels, Provenance.MODEL)
        finer = None
        if finer_than_crop(self.generated) and self.generated.removed.any():
            finer = self._rendered_over(with_matte(self.occluder, self.generated))
        return compose(self.photo.pixels, self.generated, finer)

    @one_thread()
    def _rendered_over(self, occluder: NDArray[np.float32]) -> NDArray[np.uint8]:
        return deocclude(
            self.photo.pixels,
            self.model,
            self.parameters,
            self.camera,
            occluder,
            self.completed,
            posed=self.posed,
        )

    @cached_property
    def preview(self) -> NDArray[np.uint8]:
        """(H', W', 3) photo, mask, completed photo, and the head from three sides, textured and grey."""
        from .preview import preview

        return preview(self)

    def mesh(
        self, *, expressions: bool = False, expression_names: str = "arkit", detail: str = "normal"
    ) -> Mesh:
        """The head as a mesh in millimetres.

        Args:
            expressions: neutral geometry with every named expression as a morph target, weights set to the
                current expression; otherwise the geometry shows the current expression.
            expression_names: how the morph targets are called: ``arkit`` (``eyeBlinkLeft``; ``browInnerUp`` and
                ``cheekPuff`` are one shape each, with the mean weight of their sides) or ``ict``, as the model
                has them (``eyeBlink_L``).
            detail: how :attr:`relief` is shown, where there is any: by a normal map (``normal``), by the geometry of
                a dense mesh (``mesh``), or not (``none``).

        Returns:
            :class:`wholeface.export.Mesh` with UV, texture, provenance and confidence, or all of these per vertex
            where the face model has no UV coordinates.

        Raises:
            UsageError: an unknown naming or detail.
        """
        from .mesh import build_mesh

        return build_mesh(self, expressions=expressions, expression_names=expression_names, detail=detail)

    def animate(self, expression: Mapping[str, float] | Sequence[float]) -> Reconstruction:
        """The same head with another expression.

        Args:
            expression: weights by name (others 0), e.g. ``{"jawOpen": 0.5, "eyeBlinkLeft": 1}``, or all of them
                in order. Names are ARKit's or the model's own (``eyeBlink_L``). For blendshapes 0 is neutral, 1
                full, and −1 to 2 are taken; statistical modes are taken to ±10 standard deviations.

        Returns:
            A reconstruction whose :meth:`mesh` and :meth:`render` show the expression; everything that was
            measured on the photo stays.

        Raises:
            UsageError: an expression that the model does not know, or a weight that is not a number or far out
                of range.
        """
        return replace(
            self, posed_expression=check_weights(self.model, self.model.expression_vector(expression))
        )

    def render(
        self,
        view: str | tuple[float, float] = "front",
        *,
        size: int = 512,
        textured: bool = True,
        photo_light: bool = False,
        relief: bool = True,
    ) -> NDArray[np.uint8]:
        """An image of the head.

        Args:
            view: a name of ``VIEWS``, or (yaw, pitch) in degrees; positive yaw turns the face to its left.
            size: edge of the square image in pixels.
            textured: with the completed texture, else grey clay.
            photo_light: under the light of the photo, else under a neutral studio light.
            relief: with :attr:`relief`, where there is any.

        Returns:
            (size, size, 3) uint8.

        Raises:
            UsageError: an unknown view.
        """
        return self.head_view(view, size=size).draw(
            **{**(self.bumps() if relief else {}), **(self.colours() if textured else {})},
            light=self.parameters.light if photo_light else None,
        )

    def head_view(self, view: str | tuple[float, float] = "front", *, size: int = 512) -> HeadView:
        """The head rasterised from one side, for several images of it; see :meth:`render`.

        Raises:
            UsageError: an unknown view.
        """
        if isinstance(view, str):
            if view not in VIEWS:
                raise UsageError(
                    f"unknown view {view!r}; choose from {', '.join(VIEWS)} or give (yaw, pitch) in degrees"
                )
            view = VIEWS[view]
        yaw, pitch = view
        known: dict[str, Any] = {"normals": self.normals}
        if self.normal_map is not None:
            known |= {
                "tangents": self._frames.tangents,
                "tangent_triangles": split_of(self.model).triangles,
            }
        return HeadView.of(
            self.vertices, self.model.triangles, yaw_deg=yaw, pitch_deg=pitch, size=size, **known
        )

    def colours(self) -> dict[str, Any]:
        """What :meth:`wholeface.render.HeadView.draw` needs to show the texture, or the colours of the vertices."""
        if self.completed.per_vertex:
            colours = torch.from_numpy(self.completed.texture).float() / 255
            return {"vertex_colours": srgb_to_linear(colours)}
        uv = {"uv": self.model.uv, "uv_triangles": self.model.uv_triangles}
        return {**uv, "texture": self.completed.texture}

    def bumps(self) -> dict[str, Any]:
        """What :meth:`wholeface.render.HeadView.draw` needs to show the relief, if there is any."""
        if self.normal_map is None:
            return {}
        return {
            "uv": self.model.uv,
            "uv_triangles": self.model.uv_triangles,
            "normal_map": self.normal_map,
        }

    def __getstate__(self) -> dict[str, Any]:
        state = {f.name: None if f.name == "posed" else getattr(self, f.name) for f in fields(self)}
        return state | {name: packed(getattr(self, name)) for name in _PACKED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, **{name: unpacked(state[name]) for name in _PACKED})

    def save(
        self,
        folder: str | Path,
        *,
        formats: Sequence[str] = ("glb",),
        expressions: bool = False,
        expression_names: str = "arkit",
        detail: str = "normal",
        options: Mapping[str, Any] | None = None,
    ) -> Path:
        """Write everything into a folder (created when missing), as a whole or not at all.

        An earlier result in the folder is replaced as a whole; files of other names stay. The names that are ours:
        ``face.glb``, ``face.obj``, ``face.mtl``, ``face_texture.png``, ``face_normals.png``, ``face.ply``,
        ``texture.png``, ``provenance.png``, ``displacement.png``, ``relief_provenance.png``, ``occluder.png``,
        ``face_region.png``, ``lens.png``, ``deoccluded.png``, ``preview.png`` and ``face.json``. A folder with
        ``face.json`` holds a complete result. Units: GLB is in metres, as glTF
        wants; OBJ, PLY and ``face.json`` are in millimetres.

        Args:
            folder: where to.
            formats: any of ``glb``, ``obj``, ``ply``.
            expressions: GLB with the named expressions as morph targets.
            expression_names: how these are called, ``arkit`` or ``ict``; see :meth:`mesh`.
            detail: how the meshes show relief, ``normal``, ``mesh`` or ``none``; see :meth:`mesh`.
            options: what ``face.json`` should note about how the result was made; values as in JSON.

        Returns:
            The folder.

        Raises:
            UsageError: no folder, an unknown format, naming or detail.
            OutputError: the folder cannot be created or written; what was there before is still there.
        """
        from .save import save

        if not str(folder).strip():
            raise UsageError("save needs the name of a folder; '.' is the current one")
        return save(
            self,
            Path(folder),
            formats=(formats,) if isinstance(formats, str) else tuple(formats),
            expressions=expressions,
            expression_names=expression_names,
            detail=detail,
            options=options,
        )
