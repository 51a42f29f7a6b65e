"""Reading pickled model files without executing them.

A pickle is a program: it may import any function and call it. This reader imports nothing and calls
nothing. Every class or function that the file names becomes an inert :class:`Name`, every call an inert
:class:`Node` that remembers its arguments; :mod:`._pickle_arrays` then turns the few nodes that mean an
array (NumPy, scipy.sparse, chumpy) into NumPy arrays by checking their recorded state and copying the
numbers.

Source: the pickle format, CPython ``Lib/pickletools.py``.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...errors import ModelFileError
from ._files import parsing

_ROOTS = frozenset({"numpy", "scipy", "chumpy", "torch", "collections", "copy_reg", "copyreg", "_codecs"})
_BUILTINS = frozenset({"object", "bytes", "bytearray", "list", "dict", "tuple", "int", "float", "slice"})
"""What a model file may name. Anything else is refused at once: no face model needs it."""

_FORBIDDEN_OPCODES = (
    "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEXT_BUFFER", "READONLY_BUFFER",
    "EMPTY_SET", "ADDITEMS", "FROZENSET",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Name:
    """A class or function that the file mentions; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Node:
    """A call that the file asks for; never made."""

    name: Name
    arguments: tuple[Any, ...]
    state: Any = None


class _Refused(pickle.UnpicklingError):
    """The file names something that no face model needs."""


class _Reader(pickle._Unpickler):
    """The pure-Python unpickler; every opcode that would call something records the call instead."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._byte_count = len(data)

    def find_class(self, module: str, name: str) -> Any:
        root = module.split(".", maxsplit=1)[0]
        if not (name in _BUILTINS if root in ("__builtin__", "builtins") else root in _ROOTS):
            raise _Refused(f"{module}.{name}")
        return Name(module, name)

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("a call to something that is not a named class")
        if function.name in ("_reconstructor", "__newobj__") and arguments and isinstance(arguments[0], Name):
            function, arguments = arguments[0], ()
        self.stack[-1] = Node(function, arguments)

    def _new_object_ex(self) -> None:
        self.stack.pop()
        self._reduce()

    def _build(self) -> None:
        state = self.stack.pop()
        if not isinstance(self.stack[-1], Node):
            raise pickle.UnpicklingError("state for something that is not an object")
        self.stack[-1].state = state

    def _set_items(self, pairs: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Node):
            return  # e.g. an OrderedDict, which no loader reads
        # Plain keys only: hashing a deeply nested tuple would overflow the C stack.
        if not isinstance(target, dict) or not all(isinstance(key, (str, bytes, int)) for key in pairs[::2]):
            raise pickle.UnpicklingError("a mapping with keys that are not plain names")
        target.update(zip(pairs[::2], pairs[1::2]))

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _dict(self) -> None:
        pairs = self.pop_mark()
        self.stack.append({})
        self._set_items(pairs)

    def _byte_array(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        data = self.read(size) if size <= self._byte_count else b""
        if len(data) != size:
            raise EOFError("bytes are missing")
        self.stack.append(data)

    def _forbidden(self) -> None:
        raise _Refused("an opcode of persistent, extension or set objects")


_Reader.dispatch.update(
    {
        pickle.REDUCE[0]: _Reader._reduce,
        pickle.NEWOBJ[0]: _Reader._reduce,
        pickle.NEWOBJ_EX[0]: _Reader._new_object_ex,
        pickle.BUILD[0]: _Reader._build,
        pickle.SETITEM[0]: _Reader._set_item,
        pickle.SETITEMS[0]: lambda reader: reader._set_items(reader.pop_mark()),
        pickle.DICT[0]: _Reader._dict,
        pickle.BYTEARRAY8[0]: _Reader._byte_array,
        **{getattr(pickle, opcode)[0]: _Reader._forbidden for opcode in _FORBIDDEN_OPCODES},
    }
)


def read_pickle(data: bytes, path: Path) -> Any:
    """The object in a pickle, made of dicts, lists, tuples, strings, numbers and NumPy arrays only.

    scipy.sparse matrices come back dense, chumpy arrays as the array that they hold; other recorded
    objects (torch tensors, say) stay inert and are refused by whoever needs them as an array.

    Args:
        data: the pickle, any protocol, written by Python 2 or 3.
        path: for messages.

    Raises:
        ModelFileError: damaged, or the file asks to import something that a face model does not need.
    """
    from ._pickle_arrays import Plain

    try:
        with parsing(path, "a pickled face model"):
            return Plain(path)(_Reader(data).load())
    except ModelFileError as error:
        if isinstance(error.__cause__, _Refused):
            raise ModelFileError(
                f"{path} asks for {error.__cause__}, which no face model needs; "
                "it was not loaded and nothing in it was run"
            ) from None
        raise
