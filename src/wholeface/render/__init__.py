"""The shared ground floor: camera, light, rasteriser and deferred shading, differentiable by torch."""

from .camera import Camera
from .deferred import Rendering, render_mesh, render_parameters
from .interpolate import differentiable_barycentric, interpolate
from .lighting import ambient_light, directional_light, rotate_light, sh_basis, shade
from .normals import vertex_normals
from .raster.rasterize import Fragments, rasterize
from .rotation import axis_angle, pose_degrees, rotation_from_degrees, rotation_matrix, to_camera
from .texture import sample_texture
from .view import HeadView, framing_camera, render_view
from .visibility import visible_points, visible_vertices

__all__ = [
    "Camera",
    "Fragments",
    "HeadView",
    "Rendering",
    "ambient_light",
    "axis_angle",
    "differentiable_barycentric",
    "directional_light",
    "framing_camera",
    "interpolate",
    "pose_degrees",
    "rasterize",
    "render_mesh",
    "render_parameters",
    "render_view",
    "rotate_light",
    "rotation_from_degrees",
    "rotation_matrix",
    "sample_texture",
    "sh_basis",
    "shade",
    "to_camera",
    "vertex_normals",
    "visible_points",
    "visible_vertices",
]
