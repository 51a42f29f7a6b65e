"""What leaves the house: GLB, OBJ, PLY, PNG and JSON."""

from .glb import GLB_SCHEMA, encode_glb, write_glb
from .images import encode_jpeg, encode_png, write_png
from .json_file import SCHEMA_VERSION, plain_json, write_json
from .mesh import PROVENANCE_COLOURS, PROVENANCE_NAMES, Mesh
from .obj import write_obj
from .ply import encode_ply, write_ply

__all__ = [
    "GLB_SCHEMA",
    "PROVENANCE_COLOURS",
    "PROVENANCE_NAMES",
    "SCHEMA_VERSION",
    "Mesh",
    "encode_glb",
    "encode_jpeg",
    "encode_ply",
    "encode_png",
    "plain_json",
    "write_glb",
    "write_json",
    "write_obj",
    "write_ply",
    "write_png",
]
