"""Binary glTF 2.0 (GLB)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError
from ..core.srgb import LINEAR_OF_BYTE
from ..core.tangents import tangent_frames
from ..core.uv_split import UVSplit
from ._files import write_file
from ._geometry import sample_map, split_seams, vertex_normals
from ._gltf import ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER, GltfBuffer, glb_bytes
from .images import encode_jpeg, encode_png
from .json_file import plain_json
from .mesh import Mesh

__all__ = ["GLB_SCHEMA", "encode_glb", "write_glb"]

GLB_SCHEMA = "wholeface.glb/2"
"""Version of what ``asset.extras`` and the custom attributes mean; since 2 ``_PROVENANCE`` is a float."""
_METRES = 1e-3  # per mm
_NEGLIGIBLE_MM = 1e-3
_CLAY = (0.6, 0.57, 0.54, 1.0)  # linear
_SKIN, _WET = 0.7, 0.2  # roughness
_NEAREST, _LINEAR, _TRILINEAR, _CLAMP = 9728, 9729, 9987, 33071


def write_glb(
    path: str | os.PathLike[str],
    mesh: Mesh,
    *,
    morph_targets: bool = True,
    texture_format: str = "png",
    encoded: Mapping[str, bytes] | None = None,
) -> Path:
    """Writes a mesh as GLB; see :func:`encode_glb`.

    Raises:
        UsageError: unknown texture format, or more than 4 GiB.
        OutputError: the file cannot be written.
    """
    data = encode_glb(mesh, morph_targets=morph_targets, texture_format=texture_format, encoded=encoded)
    return write_file(path, data)


def encode_glb(
    mesh: Mesh,
    *,
    morph_targets: bool = True,
    texture_format: str = "png",
    encoded: Mapping[str, bytes] | None = None,
) -> bytes:
    """GLB file of a mesh: metres, +y up, +z forward, which are the axes of model space.

    - One node, one mesh; vertices split along UV seams, in the order of (vertex, UV point); normals are
    those of
      the unsplit mesh. Triangles that ``mesh.glossy`` names form a second primitive with a smoother material.
    - Morph targets: POSITION offsets, sparse where that is smaller; names in
    ``meshes[0].extras.targetNames``;
      offsets below 1 µm are dropped. Base normals stay.
    - Provenance and confidence come twice: per vertex, as the attributes ``_PROVENANCE`` (the code) and
      ``_CONFIDENCE``, both floats, because custom attributes of unequal types make Blender's importer fail at
      random (KhronosGroup/glTF-Blender-IO issue 2658), and per texel, as the base colour textures of the
      material variants ``provenance`` and ``confidence`` (extension KHR_materials_variants; the plain one is
      the variant ``photo``). The provenance image is a palette PNG: its indices are the codes, its palette the
      colours that viewers show. The confidence image is grey, 255 = 1.
    - A normal map becomes the ``normalTexture`` of all materials but the glossy ones, with the attribute ``TANGENT``
      as MikkTSpace makes it, so that readers which make tangents of their own show the same; always PNG. Morph
      targets turn neither normals nor tangents.
    - A mesh with ``colours`` instead of a texture has them as ``COLOR_0`` (float, linear light, as glTF wants);
      provenance and confidence are the vertex attributes alone, there are no material variants.
    - ``asset.extras``: ``schema``, ``units``, ``provenance_codes`` and everything in ``mesh.extras``.

    Args:
        mesh: what to write.
        morph_targets: whether to write them.
        texture_format: ``png`` (lossless) or ``jpeg`` (smaller, quality 92) for the colour texture.
        encoded: PNG files of the maps ``texture``, ``normal_map`` and ``provenance`` by name, where they were made
            before, so that nothing is compressed twice.

    Raises:
        UsageError: unknown texture format, or more than 4 GiB.

    Source: glTF 2.0 specification; KHR_materials_variants.
    """
    if texture_format not in ("png", "jpeg"):
        raise UsageError(f"unknown texture format {texture_format!r}; choose png or jpeg")
    buffer = GltfBuffer()
    split = split_seams(mesh, mirrored_apart=mesh.normal_map is not None)
    attributes = _attributes(buffer, mesh, split)
    bumpy = _tangents(buffer, mesh, split)
    targets = []
    if morph_targets:
        for offsets in mesh.morph_targets.values():
            moving = (np.abs(offsets) >= _NEGLIGIBLE_MM) @ np.ones(3, bool)  # any(axis=1), but fast
            rows = np.flatnonzero(moving[split.vertex])
            values = _metres(offsets[split.vertex[rows]])
            targets.append({"POSITION": buffer.add_offsets(len(split.vertex), rows, values)})
    textures = _Textures(buffer)
    variants = _variants(mesh, textures, texture_format, encoded or {})
    bumps = {}
    if mesh.normal_map is not None:
        data = (encoded or {}).get("normal_map") or encode_png(mesh.normal_map)
        bumps = {"normalTexture": {"index": textures.add("normal_map", data, "image/png", smooth=True)}}
    surfaces = {"skin": (np.ones(len(mesh.triangles), bool), _SKIN, bumpy, bumps)}
    if mesh.glossy is not None and mesh.glossy.any():
        surfaces = {
            "skin": (~mesh.glossy, _SKIN, bumpy, bumps),
            "glossy": (mesh.glossy, _WET, {}, {}),
        }
    materials: list[dict[str, Any]] = []
    primitives = []
    index_type = np.uint16 if len(split.vertex) <= 65535 else np.uint32
    for surface, (chosen, roughness, tangents, relief) in surfaces.items():
        if not chosen.any():
            continue
        indices = split.triangles[chosen].ravel().astype(index_type)
        primitive: dict[str, Any] = {
            "attributes": {**attributes, **tangents},
            "indices": buffer.add_accessor(indices, target=ELEMENT_ARRAY_BUFFER),
            "material": len(materials),
            "mode": 4,
        }
        mappings = []
        for number, (variant, base) in enumerate(variants.items()):
            mappings.append({"material": len(materials), "variants": [number]})
            materials.append({**_material(surface, variant, base, roughness), **relief})
        if targets:
            primitive["targets"] = targets
        if len(variants) > 1:
            primitive["extensions"] = {"KHR_materials_variants": {"mappings": mappings}}
        primitives.append(primitive)
    shape: dict[str, Any] = {"name": mesh.name, "primitives": primitives}
    if targets:
        shape["weights"] = list(mesh.morph_weights or [0.0] * len(targets))
        shape["extras"] = {"targetNames": list(mesh.morph_targets)}
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": _generator(), "extras": _extras(mesh)},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"name": mesh.name, "mesh": 0}],
        "meshes": [shape],
        "materials": materials,
        "accessors": buffer.accessors,
        "bufferViews": buffer.views,
    }
    if textures.images:
        document |= {"textures": textures.textures, "images": textures.images, "samplers": textures.samplers}
    if len(variants) > 1:
        document["extensionsUsed"] = ["KHR_materials_variants"]
        document["extensions"] = {
            "KHR_materials_variants": {"variants": [{"name": variant} for variant in variants]}
        }
    binary = buffer.content()
    document["buffers"] = [{"byteLength": len(binary)}]
    return glb_bytes(document, binary)


def _metres(millimetres: NDArray[np.float32]) -> NDArray[np.float32]:
    return (millimetres.astype(np.float64) * _METRES).astype(np.float32)


def _tangents(buffer: GltfBuffer, mesh: Mesh, split: UVSplit) -> dict[str, int]:
    """The accessor that a material with a normal map needs besides."""
    if mesh.normal_map is None or mesh.uv is None:
        return {}
    frames = tangent_frames(split, mesh.vertices, vertex_normals(mesh), mesh.uv)
    return {"TANGENT": buffer.add_accessor(frames.tangents, target=ARRAY_BUFFER)}


def _attributes(buffer: GltfBuffer, mesh: Mesh, split: UVSplit) -> dict[str, int]:
    """Accessors of the vertex attributes, shared by all primitives."""
    positions = _metres(mesh.vertices[split.vertex])
    normals = vertex_normals(mesh)[split.vertex]
    attributes = {
        "POSITION": buffer.add_accessor(positions, target=ARRAY_BUFFER, bounds=True),
        "NORMAL": buffer.add_accessor(normals, target=ARRAY_BUFFER),
    }
    if mesh.colours is not None:
        linear = LINEAR_OF_BYTE[mesh.colours][split.vertex]  # COLOR_0 is linear, unlike a base colour texture
        attributes["COLOR_0"] = buffer.add_accessor(linear, target=ARRAY_BUFFER)
        if mesh.provenance is not None:
            codes = mesh.provenance[split.vertex].astype(np.float32)  # one type for all, see encode_glb
            attributes["_PROVENANCE"] = buffer.add_accessor(codes, target=ARRAY_BUFFER)
        if mesh.confidence is not None:
            confidence = mesh.confidence[split.vertex]
            attributes["_CONFIDENCE"] = buffer.add_accessor(confidence, target=ARRAY_BUFFER)
    if mesh.uv is None:
        return attributes
    uv = mesh.uv[split.uv]
    # glTF counts v from the top of the image
    flipped = np.stack([uv[:, 0], np.float32(1) - uv[:, 1]], axis=1)
    attributes["TEXCOORD_0"] = buffer.add_accessor(flipped, target=ARRAY_BUFFER)
    if mesh.provenance is not None:
        codes = sample_map(mesh.provenance, uv, nearest=True).astype(np.float32)
        attributes["_PROVENANCE"] = buffer.add_accessor(codes, target=ARRAY_BUFFER)
    if mesh.confidence is not None:
        confidence = np.clip(sample_map(mesh.confidence, uv), 0, 1)
        attributes["_CONFIDENCE"] = buffer.add_accessor(confidence, target=ARRAY_BUFFER)
    return attributes


class _Textures:
    """Images inside the buffer, with one texture each."""

    def __init__(self, buffer: GltfBuffer) -> None:
        self._buffer = buffer
        self.images: list[dict[str, Any]] = []
        self.textures: list[dict[str, Any]] = []
        self.samplers: list[dict[str, Any]] = []

    def add(self, name: str, data: bytes, mime: str, *, smooth: bool) -> int:
        """Index of a new texture."""
        sampler = {
            "magFilter": _LINEAR if smooth else _NEAREST,
            "minFilter": _TRILINEAR if smooth else _NEAREST,
            "wrapS": _CLAMP,
            "wrapT": _CLAMP,
        }
        if sampler not in self.samplers:
            self.samplers.append(sampler)
        view = self._buffer.add_view(data)
        self.images.append({"name": name, "mimeType": mime, "bufferView": view})
        texture = {"name": name, "sampler": self.samplers.index(sampler), "source": len(self.images) - 1}
        self.textures.append(texture)
        return len(self.textures) - 1

    def add_base(self, name: str, data: bytes, mime: str, *, smooth: bool) -> dict[str, Any]:
        """Material properties that show a new texture."""
        return {"baseColorTexture": {"index": self.add(name, data, mime, smooth=smooth)}}


def _variants(
    mesh: Mesh, textures: _Textures, texture_format: str, encoded: Mapping[str, bytes]
) -> dict[str, dict[str, Any]]:
    """Name of each material variant -> its base colour; the first is the plain one."""
    if mesh.colours is not None:  # multiplied with COLOR_0 in every variant, so there is only the plain one
        return {"photo": {"baseColorFactor": [1.0, 1.0, 1.0, 1.0]}}
    variants: dict[str, dict[str, Any]] = {"photo": {"baseColorFactor": list(_CLAY)}}
    if mesh.texture is not None:
        if texture_format == "png":
            data = encoded.get("texture") or encode_png(mesh.texture)
            variants["photo"] = textures.add_base("texture", data, "image/png", smooth=True)
        else:
            variants["photo"] = textures.add_base(
                "texture", encode_jpeg(mesh.texture), "image/jpeg", smooth=True
            )
    if mesh.provenance is not None:
        data = encoded.get("provenance") or encode_png(mesh.provenance, palette=mesh.provenance_colours)
        variants["provenance"] = textures.add_base("provenance", data, "image/png", smooth=False)
    if mesh.confidence is not None:
        grey = np.rint(mesh.confidence * 255).astype(np.uint8)
        variants["confidence"] = textures.add_base("confidence", encode_png(grey), "image/png", smooth=True)
    return variants


def _material(surface: str, variant: str, base: dict[str, Any], roughness: float) -> dict[str, Any]:
    return {
        "name": surface if variant == "photo" else f"{surface} {variant}",
        "pbrMetallicRoughness": {**base, "metallicFactor": 0.0, "roughnessFactor": roughness},
        "doubleSided": False,
    }


def _generator() -> str:
    from .. import __version__

    return f"WholeFace {__version__}"


def _extras(mesh: Mesh) -> dict[str, Any]:
    extras: dict[str, Any] = {"schema": GLB_SCHEMA, "units": "m", **plain_json(mesh.extras)}
    if mesh.provenance is not None:
        extras["provenance_codes"] = {name: code for code, name in enumerate(mesh.provenance_names)}
    return extras
