"""From model parameters to a shaded image: the differentiable chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..core.errors import UsageError
from ..core.short_repr import short_repr
from ._functions import ShadeFunction, UnpackFunction, deferred_images
from .camera import Camera
from .interpolate import Covered, barycentric_covered, interpolate_covered, unpack
from .lighting import shade
from .normals import vertex_normals
from .raster.rasterize import Backend, Fragments, rasterize
from .rotation import to_camera
from .texture import sample_texture

if TYPE_CHECKING:
    from ..morphable import MorphableModel, Parameters

__all__ = ["Rendering", "render_mesh", "render_parameters"]

_GREY = 0.5


@dataclass(frozen=True)
class Rendering:
    """A shaded image and what it was made of.

    Args:
        image: (N, 3, H, W) linear light, not clamped; 0 in the background.
        mask: (N, H, W) bool, where a surface was hit.
        fragments: the rasteriser's result (not differentiable).
        normals: (N, 3, H, W) unit normals, camera space; 0 in the background.
        albedo: (N, 3, H, W) linear-light albedo; 0 in the background.
        points_cam: (N, V, 3) mm, the vertices in camera space.
    """

    image: Tensor
    mask: Tensor
    fragments: Fragments
    normals: Tensor
    albedo: Tensor
    points_cam: Tensor

    __repr__ = short_repr


def render_parameters(
    model: MorphableModel,
    parameters: Parameters,
    camera: Camera,
    albedo: Tensor | None = None,
    *,
    texture: Tensor | None = None,
    triangles: Tensor | None = None,
    backend: Backend = "auto",
) -> Rendering:
    """Render a face from its parameters, differentiable in all of them, the camera and the albedo.

    There is no gradient from the silhouette; see :func:`differentiable_barycentric`.

    Args:
        model: the face model.
        parameters: one face, or N of them along a leading dimension.
        camera: shared, or with tensors of N intrinsics.
        albedo: (V, 3) or (N, V, 3) linear light; None takes the model's own, grey 0.5 if it has none.
        texture: (3, S, S) or (N, 3, S, S) linear-light albedo in UV space, instead of ``albedo``.
        triangles: (F', 3) int64, a subset of the model's triangles to draw; not together with ``texture``.
        backend: of :func:`rasterize`.

    Returns:
        Rendering of N images (1 for a single face).

    Raises:
        UsageError: a texture for a model without UV coordinates, or together with ``triangles``.
    """
    points = to_camera(
        model.vertices(parameters.identity, parameters.expression),
        parameters.rotation,
        parameters.translation,
    )
    if texture is None and albedo is None:
        if model.albedo is None:
            albedo = torch.full_like(model.mean, _GREY)
        else:
            albedo = model.albedo.vertices(parameters.albedo)
    if texture is not None:
        if model.uv is None or model.uv_triangles is None:
            raise UsageError(
                f"the model {model.name!r} has no UV coordinates; render it with a per-vertex albedo"
            )
        if triangles is not None:
            raise UsageError("give either a texture or a subset of triangles, not both")
    return render_mesh(
        points,
        model.triangles if triangles is None else triangles,
        camera,
        parameters.light,
        albedo=albedo,
        texture=texture,
        uv=model.uv,
        uv_triangles=model.uv_triangles,
        backend=backend,
    )


def render_mesh(
    points_cam: Tensor,
    triangles: Tensor,
    camera: Camera,
    light: Tensor,
    *,
    albedo: Tensor | None = None,
    texture: Tensor | None = None,
    uv: Tensor | None = None,
    uv_triangles: Tensor | None = None,
    backend: Backend = "auto",
) -> Rendering:
    """Rasterise and shade meshes; :func:`render_parameters` without the model.

    Args:
        points_cam: (N, V, 3) or (V, 3) mm, camera space.
        triangles: (F, 3) int64.
        camera: image size and intrinsics.
        light: (9, 3) or (N, 9, 3) spherical harmonics, camera space.
        albedo: (V, 3) or (N, V, 3) linear light.
        texture: (3, S, S) or (N, 3, S, S) linear-light albedo with ``uv`` (U, 2) and ``uv_triangles`` (F, 3).
        uv: see ``texture``.
        uv_triangles: see ``texture``.
        backend: of :func:`rasterize`.

    Raises:
        UsageError: neither an albedo nor a texture with its coordinates.
    """
    points = points_cam if points_cam.ndim == 3 else points_cam[None]
    lights = light.reshape(-1, 9, 3).to(points.dtype)
    textured = texture is not None and uv is not None and uv_triangles is not None
    if not textured and albedo is None:
        raise UsageError("render_mesh needs an albedo, or a texture with uv and uv_triangles")
    for what, count in (("lights", lights), ("sets of albedo", albedo)):
        if count is not None and count.ndim == 3 and count.shape[0] not in (1, points.shape[0]):
            raise UsageError(f"{count.shape[0]} {what} for {points.shape[0]} images")
    fragments = rasterize(points, triangles, camera, backend)
    normals = vertex_normals(points, triangles)
    if albedo is not None and not textured and not points.is_cuda and not torch.is_grad_enabled():
        colours = albedo.to(points.dtype).reshape(-1, *albedo.shape[-2:])
        images = deferred_images(fragments, triangles.long(), normals, colours, lights)
        return Rendering(images[0], fragments.mask, fragments, images[1], images[2], points)
    covered = Covered(fragments)
    if torch.is_grad_enabled():
        covered = covered.with_barycentric(barycentric_covered(points, triangles, covered, camera))
    if texture is not None and uv is not None and uv_triangles is not None:
        pixel_normals = interpolate_covered(normals, triangles, covered)
        pixel_albedo = _sample_covered(texture, interpolate_covered(uv, uv_triangles, covered), covered)
    elif albedo is not None:
        attributes = torch.cat((normals, albedo.to(normals.dtype).expand(normals.shape)), dim=-1)
        pixels = interpolate_covered(attributes, triangles, covered)
        pixel_normals, pixel_albedo = pixels[:, :3], pixels[:, 3:]
    colour, pixel_normals = _shade_covered(pixel_albedo, pixel_normals, lights, covered)
    image, normal_image, albedo_image = (
        _images(values, fragments, covered) for values in (colour, pixel_normals, pixel_albedo)
    )
    return Rendering(image, fragments.mask, fragments, normal_image, albedo_image, points)


def _shade_covered(
    albedo: Tensor, normals: Tensor, lights: Tensor, covered: Covered
) -> tuple[Tensor, Tensor]:
    """Colours and unit normals (P, 3) from normals of any length."""
    if not albedo.is_cuda:
        image = covered.image if lights.shape[0] > 1 else torch.zeros_like(covered.image)
        colour, unit = ShadeFunction.apply(albedo, normals, lights, image)  # type: ignore[no-untyped-call]
        return colour, unit
    normals = torch.nn.functional.normalize(normals, dim=-1)
    counts = torch.bincount(covered.image, minlength=covered.images).tolist()
    parts = zip(
        torch.split(albedo, counts), torch.split(normals, counts), lights.expand(covered.images, 9, 3)
    )
    return torch.cat([shade(*part) for part in parts]), normals


def _images(packed: Tensor, fragments: Fragments, covered: Covered) -> Tensor:
    if packed.is_cuda:
        return unpack(packed, fragments).permute(0, 3, 1, 2)
    out: Tensor = UnpackFunction.apply(packed, covered.image, covered.place, tuple(fragments.triangle.shape))  # type: ignore[no-untyped-call]
    return out


def _sample_covered(texture: Tensor, uv: Tensor, covered: Covered) -> Tensor:
    if texture.ndim == 3 or texture.shape[0] == 1:
        return sample_texture(texture.reshape(texture.shape[-3:]), uv)
    counts = torch.bincount(covered.image, minlength=covered.images).tolist()
    return torch.cat([sample_texture(*part) for part in zip(texture, torch.split(uv, counts))])
