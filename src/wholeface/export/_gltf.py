"""The container of a binary glTF 2.0 file: buffer views, accessors and chunks."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.errors import UsageError

__all__ = ["ARRAY_BUFFER", "ELEMENT_ARRAY_BUFFER", "GltfBuffer", "glb_bytes"]

ARRAY_BUFFER = 34962
ELEMENT_ARRAY_BUFFER = 34963
_COMPONENT = {"u1": 5121, "u2": 5123, "u4": 5125, "f4": 5126}
_TYPE = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}


class GltfBuffer:
    """Collects binary data and describes it as glTF buffer views and accessors."""

    def __init__(self) -> None:
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []
        self._pieces: list[bytes] = []
        self._length = 0

    def add_view(self, data: bytes, *, target: int | None = None, stride: int | None = None) -> int:
        """Index of a new buffer view, aligned to four bytes."""
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self._length, "byteLength": len(data)}
        if stride is not None:
            view["byteStride"] = stride
        if target is not None:
            view["target"] = target
        padding = -len(data) % 4
        self._pieces += [data, bytes(padding)]
        self._length += len(data) + padding
        self.views.append(view)
        return len(self.views) - 1

    def add_accessor(self, values: NDArray[Any], *, target: int | None = None, bounds: bool = False) -> int:
        """Index of a new accessor with a buffer view of its own.

        Args:
            values: (N,) or (N, C) little-endian float32 or unsigned integers. Vertex attributes narrower
                than four bytes are padded to a stride of four, as glTF demands.
            target: buffer binding, or None.
            bounds: write min and max.
        """
        if values.dtype.str[1:] not in _COMPONENT:
            raise UsageError(f"glTF has no accessor type for {values.dtype}")
        columns = values.reshape(len(values), -1)
        stride = None
        data = np.ascontiguousarray(columns)
        if target == ARRAY_BUFFER and data.strides[0] % 4:
            stride = (data.strides[0] + 3) // 4 * 4
            padded = np.zeros((len(data), stride // data.itemsize), data.dtype)
            padded[:, : columns.shape[1]] = columns
            data = padded
        view = self.add_view(
            data.astype(data.dtype.newbyteorder("<")).tobytes(), target=target, stride=stride
        )
        accessor = {"bufferView": view, **_shape(columns)}
        if bounds:
            accessor |= _bounds(columns)
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def add_offsets(self, count: int, rows: NDArray[np.int64], values: NDArray[np.float32]) -> int:
        """Index of a new accessor of morph-target offsets: sparse where that is smaller.

        Args:
            count: number of vertices.
            rows: (R,) vertices that move, ascending.
            values: (R, 3) float32, how they move.
        """
        index_type = np.dtype("<u2" if count <= 65535 else "<u4")
        if len(rows) * (12 + index_type.itemsize) >= count * 12:
            dense = np.zeros((count, 3), np.float32)
            dense[rows] = values
            return self.add_accessor(dense, target=ARRAY_BUFFER, bounds=True)
        # vertices that rest count for the bounds too
        low, high = values.min(0, initial=0.0), values.max(0, initial=0.0)
        accessor: dict[str, Any] = {"componentType": _COMPONENT["f4"], "count": count, "type": "VEC3"}
        accessor |= {"min": low.tolist(), "max": high.tolist()}
        if len(rows):
            accessor["sparse"] = {
                "count": len(rows),
                "indices": {
                    "bufferView": self.add_view(rows.astype(index_type).tobytes()),
                    "componentType": _COMPONENT[index_type.str[1:]],
                },
                "values": {"bufferView": self.add_view(np.ascontiguousarray(values, "<f4").tobytes())},
            }
        self.accessors.append(accessor)
        return len(self.accessors) - 1

    def content(self) -> bytes:
        """All data, a multiple of four bytes long."""
        return b"".join(self._pieces)


def glb_bytes(document: dict[str, Any], binary: bytes) -> bytes:
    """A GLB file from a glTF document and its one buffer.

    Source: glTF 2.0 specification, §4 GLB file format.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    total = 12 + 8 + len(text) + 8 + len(binary)
    if total >= 1 << 32:
        raise UsageError(
            f"a GLB file cannot hold {total} bytes; write fewer morph targets or a smaller texture"
        )
    return b"".join(
        (
            struct.pack("<4sII", b"glTF", 2, total),
            struct.pack("<I4s", len(text), b"JSON"),
            text,
            struct.pack("<I4s", len(binary), b"BIN\0"),
            binary,
        )
    )


def _shape(columns: NDArray[Any]) -> dict[str, Any]:
    component = _COMPONENT[columns.dtype.str[1:]]
    return {"componentType": component, "count": len(columns), "type": _TYPE[columns.shape[1]]}


def _bounds(columns: NDArray[Any]) -> dict[str, Any]:
    # float32 -> float64 is exact, so the written decimals give back the same float32
    return {"min": columns.min(0).tolist(), "max": columns.max(0).tolist()}
