"""Reading pickled model files without executing them.

A pickle is a program: it may import any function and call it. This reader imports nothing and calls
nothing. Every class or function that the file names becomes an inert :class:`Name`, every call an inert
:class:`Node` that remembers its arguments; :mod:`._pickle_arrays` then turns the few nodes that mean an
array (NumPy, scipy.sparse, chumpy) into NumPy arrays by checking their recorded state and copying the
numbers. Time and memory are bounded: by a number of steps here, by the size of the file there.

Source: the pickle format, CPython ``Lib/pickletools.py``.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ...core.errors import ModelFileError
from ._files import parsing

_ROOTS = frozenset({"numpy", "scipy", "chumpy", "torch", "collections", "copy_reg", "copyreg", "_codecs"})
_BUILTINS = frozenset({"object", "bytes", "bytearray", "list", "dict", "tuple", "int", "float", "slice"})
"""What a model file may name. Anything else is refused at once: no face model needs it."""

_FORBIDDEN_OPCODES = (
    "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEXT_BUFFER", "READONLY_BUFFER",
    "EMPTY_SET", "ADDITEMS", "FROZENSET",
)  # fmt: skip


_MOST_OPCODES = 100_000
"""Steps of a pickle; models of arrays need hundreds."""
_MOST_DIGITS, _MOST_INTEGER_BYTES, _MOST_KEY = 40, 16, 1 << 60
"""Of a number in the file, and of a whole number as a key (hashes of larger ones can be made to collide)."""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


@dataclass(frozen=True, eq=False)
class Name:
    """A class or function that the file mentions; never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return _printable(f"{self.module[:80]}.{self.name[:80]}")


@dataclass(eq=False)
class Node:
    """A call that the file asks for; never made."""

    name: Name
    arguments: tuple[Any, ...]
    state: Any = None


class _Refused(pickle.UnpicklingError):
    """The file names something that no face model needs."""


class _Counted(dict[int, Callable[[Any], None]]):
    """The table of opcodes; every look-up is one step of the program, and there may be so many."""

    steps = 0

    def __getitem__(self, opcode: int) -> Callable[[Any], None]:
        self.steps += 1
        if self.steps > _MOST_OPCODES:
            raise pickle.UnpicklingError("it has more steps than a face model needs")
        return super().__getitem__(opcode)


class _Reader(pickle._Unpickler):
    """The pure-Python unpickler; every opcode that would call something records the call instead."""

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]
    read: Callable[[int], bytes]
    readline: Callable[[], bytes]
    memo: dict[int, Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._byte_count = len(data)
        self.dispatch = _Counted(type(self).dispatch)  # type: ignore[misc]

    def find_class(self, module: str, name: str) -> Any:
        root = module.split(".", maxsplit=1)[0]
        if not (name in _BUILTINS if root in ("__builtin__", "builtins") else root in _ROOTS):
            raise _Refused(str(Name(module, name)))
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
        if not isinstance(target, dict) or not all(_is_key(key) for key in pairs[::2]):
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

    def _line(self) -> bytes:
        """A number as text; converting long ones takes quadratic time."""
        line = self.readline()
        if len(line) > _MOST_DIGITS:
            raise pickle.UnpicklingError("a number with very many digits")
        return line[:-1]

    def _integer_line(self) -> None:
        text = self._line().rstrip(b"L")
        self.stack.append({b"00": False, b"01": True}[text] if text in (b"00", b"01") else int(text, 0))

    def _float_line(self) -> None:
        self.stack.append(float(self._line()))

    def _get_line(self) -> None:
        self.stack.append(self.memo[int(self._line())])

    def _put_line(self) -> None:
        place = int(self._line())
        if not 0 <= place < _MOST_KEY:
            raise pickle.UnpicklingError("an impossible place in the memo")
        self.memo[place] = self.stack[-1]

    def _integer_bytes(self, width: int) -> None:
        size = int.from_bytes(self.read(width), "little")
        if size > _MOST_INTEGER_BYTES:
            raise pickle.UnpicklingError("a huge whole number")
        self.stack.append(int.from_bytes(self.read(size), "little", signed=True))

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
        pickle.INT[0]: _Reader._integer_line,
        pickle.LONG[0]: _Reader._integer_line,
        pickle.FLOAT[0]: _Reader._float_line,
        pickle.GET[0]: _Reader._get_line,
        pickle.PUT[0]: _Reader._put_line,
        pickle.LONG1[0]: lambda reader: reader._integer_bytes(1),
        pickle.LONG4[0]: lambda reader: reader._integer_bytes(4),
        **{getattr(pickle, opcode)[0]: _Reader._forbidden for opcode in _FORBIDDEN_OPCODES},
    }
)


def _is_key(key: Any) -> bool:
    return isinstance(key, (str, bytes)) or (isinstance(key, int) and abs(key) < _MOST_KEY)


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
            return Plain(path, len(data))(_Reader(data).load())
    except ModelFileError as error:
        if isinstance(error.__cause__, _Refused):
            raise ModelFileError(
                f"{path} asks for {error.__cause__}, which no face model needs; "
                "it was not loaded and nothing in it was run"
            ) from None
        raise
