"""From the inert record of a pickle to NumPy arrays.

Source: NumPy's array, scalar and dtype reductions (``ndarray.__reduce__``,
``numpy.core.multiarray._reconstruct``); scipy.sparse's compressed formats; chumpy 0.70 ``ch.Ch`` and
``reordering.Select``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ._files import array
from ._pickle import Name, Node

_MAX_DEPTH = 100
_MAX_DENSE = 1 << 24
_MADE_FREE, _MADE_RATIO = 64 << 20, 8
"""Bytes that may be made from a file, and how often its own size besides: several arrays can share their numbers."""
_MAX_AXIS = 1 << 40


class Plain:
    """Converter for one file; shared objects are converted once, so that sharing cannot blow up.

    Args:
        path: for messages.
        size: bytes of the file; what is made of it is bounded by that.
    """

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._left = _MADE_FREE + _MADE_RATIO * size
        self._done: dict[int, Any] = {}
        self._encoded: dict[int, bytes] = {}

    def __call__(self, value: Any, depth: int = 0) -> Any:
        """Plain Python and NumPy objects from what the reader recorded."""
        if not isinstance(value, (dict, list, tuple, Node)):
            return value
        if depth > _MAX_DEPTH:
            raise self._damaged("objects are nested too deeply")
        if id(value) not in self._done:
            self._done[id(value)] = self._convert(value, depth + 1)
        return self._done[id(value)]

    def _spend(self, size: int) -> None:
        """Count bytes that are about to be made, or touched."""
        self._left -= size
        if self._left < 0:
            raise self._damaged("its arrays unfold to far more than the file holds")

    def _array(self, value: Any) -> NDArray[Any]:
        found = array(value, "a part of an array", self._path)
        if found is not value:
            self._spend(found.nbytes)
        return found

    def _latin1(self, text: str) -> bytes:
        if id(text) not in self._encoded:
            self._spend(len(text))
            self._encoded[id(text)] = text.encode("latin1")
        return self._encoded[id(text)]

    def _shape(self, shape: Any) -> tuple[int, ...]:
        good = isinstance(shape, tuple) and len(shape) <= 32
        if not good or not all(isinstance(n, (int, np.integer)) and 0 <= n <= _MAX_AXIS for n in shape):
            raise self._damaged("an array with an impossible shape")
        return tuple(int(n) for n in shape)

    def _damaged(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self._path} is damaged or not a face model: {what}")

    def _convert(self, value: Any, depth: int) -> Any:
        if isinstance(value, dict):
            return {key: self(item, depth) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self(item, depth) for item in value)
        root = value.name.module.split(".")[0]
        kinds = {"numpy": self._numpy, "scipy": self._sparse, "chumpy": self._chumpy}
        kinds |= dict.fromkeys(("_codecs", "__builtin__", "builtins"), self._bytes)
        return kinds[root](value, depth) if root in kinds else value

    def _bytes(self, node: Node, depth: int) -> Any:
        """Python 3 writes bytes as ``_codecs.encode(text, 'latin1')`` in old protocols."""
        if node.name.name in ("bytes", "bytearray"):
            argument = self(node.arguments[0], depth) if node.arguments else b""
            if isinstance(argument, bytes):
                return argument
        if node.name.name == "encode" and len(node.arguments) == 2:
            text, encoding = node.arguments
            if isinstance(text, str) and encoding in ("latin1", "latin-1", b"latin1", b"latin-1"):
                return self._latin1(text)
        raise self._damaged(f"an unexpected {node.name}")

    def _dtype(self, node: Any) -> np.dtype[Any]:
        """A plain dtype from ``numpy.dtype('f8', …)`` with the state ``(3, '<', None, …)``."""
        if not isinstance(node, Node) or node.name.name != "dtype" or not node.arguments:
            raise self._damaged("an array without a data type")
        code, order = node.arguments[0], "="
        if isinstance(node.state, tuple) and len(node.state) > 1:
            order = node.state[1]
        if not all(isinstance(text, (str, bytes)) and len(text) <= 20 for text in (code, order)):
            raise self._damaged("an array of an unknown data type")
        code, order = (t.decode("latin1") if isinstance(t, bytes) else t for t in (code, order))
        if code[:1] not in tuple("fiubSUO") or not code[1:].isdigit() or order not in ("<", ">", "|", "="):
            raise self._damaged(f"an array of the data type {code!r}")
        return np.dtype(object) if code[0] == "O" else np.dtype(order + code)

    def _numpy(self, node: Node, depth: int) -> Any:
        name, arguments, state = node.name.name, node.arguments, node.state
        if name == "dtype":
            return node
        if name == "scalar" and len(arguments) == 2:
            return self._numbers(self(arguments[1], depth), self._dtype(arguments[0]), (), False)[()]
        if name == "_frombuffer" and len(arguments) == 4:
            raw, dtype, shape, order = arguments
            return self._numbers(self(raw, depth), self._dtype(dtype), shape, order == "F")
        if name in ("_reconstruct", "ndarray") and isinstance(state, tuple) and len(state) in (4, 5):
            shape, dtype_node, fortran, raw = state[-4:]
            dtype, raw = self._dtype(dtype_node), self(raw, depth)
            if not dtype.hasobject:
                return self._numbers(raw, dtype, shape, bool(fortran))
            if isinstance(
                raw, list
            ):  # an array of objects: the object itself for shape (), else the flat list
                return raw[0] if shape == () and len(raw) == 1 else raw
        raise self._damaged(f"a {node.name} that is not a complete array")

    def _numbers(self, raw: Any, dtype: np.dtype[Any], shape: Any, fortran: bool) -> NDArray[Any]:
        raw = self._latin1(raw) if isinstance(raw, str) else raw
        shape = self._shape(shape)
        size = dtype.itemsize
        for count in shape:
            size *= count
        if not isinstance(raw, bytes) or len(raw) != size:
            raise self._damaged(f"an array of shape {shape} whose numbers are missing")
        self._spend(64)
        if not size:
            return np.zeros(shape, dtype=dtype)
        return np.frombuffer(raw, dtype=dtype).reshape(shape, order="F" if fortran else "C")

    def _sparse(self, node: Node, depth: int) -> NDArray[np.float64]:
        """Dense matrix from the recorded state of a CSC, CSR or COO matrix, with every index checked."""
        state, kind = self(node.state, depth), node.name.name[:3]
        bad = self._damaged(f"the sparse matrix {node.name}")
        if not isinstance(state, dict) or kind not in ("csc", "csr", "coo"):
            raise bad
        shape, values = state.get("_shape", state.get("shape")), self._array(state.get("data"))
        if (
            not isinstance(shape, tuple)
            or len(shape) != 2
            or values.dtype.kind not in "fiu"
            or values.ndim != 1
        ):
            raise bad
        rows, columns = self._shape(shape)
        if rows * columns > _MAX_DENSE:
            raise bad
        self._spend(8 * rows * columns + 64 * values.size)
        if kind == "coo":
            pair = state.get("coords", (state.get("row"), state.get("col")))
            if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                raise bad
            row, column = (self._array(index) for index in pair)
        else:
            minor, pointer = self._array(state.get("indices")), self._array(state.get("indptr"))
            self._spend(32 * pointer.size)
            count = columns if kind == "csc" else rows
            if pointer.dtype.kind not in "iu" or pointer.shape != (count + 1,):
                raise bad
            lengths = np.asarray(np.diff(pointer.astype(np.int64)), np.int64)
            if (lengths < 0).any() or pointer[0] != 0 or int(pointer[-1]) != values.size:
                raise bad
            major = np.repeat(np.arange(count), lengths)
            row, column = (minor, major) if kind == "csc" else (major, minor)
        for index, count in ((row, rows), (column, columns)):
            if index.dtype.kind not in "iu" or index.shape != values.shape:
                raise bad
            if index.size and (int(index.min()) < 0 or int(index.max()) >= count):
                raise bad
        dense = np.zeros((rows, columns))
        np.add.at(dense, (row, column), values)
        return dense

    def _chumpy(self, node: Node, depth: int) -> Any:
        """``Ch`` keeps its array in ``x``; ``Select`` is ``a.ravel()[idxs]`` in ``preferred_shape``."""
        state = self(node.state, depth)
        if isinstance(state, dict) and "x" in state:
            return state["x"]
        if isinstance(state, dict) and node.name.name == "Select" and {"a", "idxs"} <= set(state):
            source, chosen = (self._array(state[part]).reshape(-1) for part in ("a", "idxs"))
            inside = chosen.dtype.kind in "iu" and (
                chosen.size == 0 or 0 <= chosen.min() <= chosen.max() < source.size
            )
            if not inside:
                raise self._damaged(f"the selection {node.name}")
            self._spend((source.dtype.itemsize + 16) * chosen.size)
            shape = state.get("preferred_shape")
            return source[chosen].reshape(self._shape(shape)) if isinstance(shape, tuple) else source[chosen]
        raise self._no_array(node.name)

    def _no_array(self, name: Name) -> ModelFileError:
        return ModelFileError(
            f"{self._path} holds a {name} object without a plain array inside; "
            "save the file again with its arrays as plain NumPy arrays"
        )
