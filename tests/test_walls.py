"""The walls of docs/architecture.md: no room imports what its row does not let it import, and nothing goes round."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

_SOURCE = Path(__file__).resolve().parents[1] / "src" / "wholeface"

_PIPELINE = {"core", "photo", "morphable", "render", "networks", "perceive"}
_RECONSTRUCTING = _PIPELINE | {"stages", "methods", "result", "export", "reconstructor", "__init__"}
WALLS: dict[str, set[str]] = {
    # files at the top: the public names, the front door
    "__init__": {"core", "morphable", "photo", "reconstructor", "result"},
    "errors": {"core"},
    "reconstructor": _RECONSTRUCTING - {"export"},
    # rooms
    "core": set(),
    "photo": {"core"},
    "morphable": {"core"},
    "render": {"core"},
    "networks": {"core"},
    "perceive": {"core", "photo", "networks"},
    "stages": _PIPELINE,
    "methods": _PIPELINE | {"stages"},
    "export": {"core"},
    # A reconstruction is made from the last state of its face.
    "result": {"core", "photo", "morphable", "render", "perceive", "stages", "export"},
    "app": _RECONSTRUCTING,
    "lab/modelling": _RECONSTRUCTING,
    # Heads of other origins are registered by the modelling of the geometry.
    "lab/data": _RECONSTRUCTING | {"lab/modelling"},
    "lab/train": _RECONSTRUCTING | {"lab/data"},
    "lab/bench": _RECONSTRUCTING | {"lab/modelling", "lab/data", "lab/train"},
}
"""Room -> rooms that it may import besides itself; every room may ask ``wholeface`` for ``__version__``."""


@dataclass(frozen=True)
class Import:
    """One module that one file imports, by a statement or by a string."""

    file: str  # below src/wholeface, as "lab/train/recipe.py"
    module: str  # below wholeface, as "lab.data.stores.store"; "" is the package itself
    when: str  # "load": with the file; "call": in a function; "types": for type checkers; "text": as a string
    line: int


EXCEPTIONS: dict[tuple[str, str], tuple[set[str], str]] = {
    # (file or folder/, room or module that it reaches): when, why
    ("render/deferred.py", "morphable"): (
        {"types"},
        "is given a face model by its caller, and names its type",
    ),
    ("app/cli/bench.py", "lab/bench"): ({"call"}, "the command `bench`"),
    ("app/cli/bench_protocol.py", "lab/bench"): ({"call"}, "the command `bench`"),
    ("app/cli/synth.py", "lab/data"): ({"call", "types"}, "the command `synth`"),
    ("app/cli/train.py", "lab/train"): ({"call", "types"}, "the command `train`"),
    ("app/cli/weights.py", "lab/train"): ({"call"}, "the command `weights export` reads checkpoints"),
    ("lab/bench/", "app.cli"): ({"text"}, "measures the command as people run it, in a process of its own"),
}


def _modules(source: Path) -> set[str]:
    return {_name(file, source) for file in source.rglob("*.py")}


def _name(file: Path, source: Path) -> str:
    parts = file.relative_to(source).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _room(module: str) -> str:
    """``lab.train.recipe`` is in the room ``lab/train``."""
    parts = module.split(".")
    return "/".join(parts[:2]) if parts[0] == "lab" and len(parts) > 1 else parts[0] or "__init__"


def _walk(node: ast.AST, when: str = "load") -> Iterator[tuple[ast.AST, str]]:
    """Every node that may import something, with when it is reached."""
    for name, value in ast.iter_fields(node):
        inner = when
        if isinstance(node, ast.If) and name == "body" and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            inner = "types"
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and name == "body":
            inner = "call"
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue  # a docstring
            if isinstance(child, (ast.Import, ast.ImportFrom, ast.Constant, ast.JoinedStr)):
                yield child, inner
            if isinstance(child, ast.AST) and not isinstance(child, ast.JoinedStr):
                yield from _walk(child, inner)


def _text(node: ast.AST) -> str:
    """Of a string or f-string; what is filled in is a space, the own package at its head nothing."""
    if isinstance(node, ast.JoinedStr):
        own = {"__package__", "__name__"}
        head, *rest = node.values or [ast.Constant("")]
        first = "" if isinstance(head, ast.FormattedValue) and ast.unparse(head.value) in own else _text(head)
        return first + "".join(map(_text, rest))
    if isinstance(node, ast.FormattedValue):
        return " "
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _strings(node: ast.AST, package: list[str], modules: set[str]) -> Iterator[str]:
    """Modules that a string names: ``"wholeface.x.y"``, ``".x"``, ``f"{__package__}.x.{name}"``."""
    text = _text(node)
    paths = [
        word.strip("`.,;()'\"").split(".")[1:]
        for word in re.split(r"[\s:]+", text)
        if "wholeface." in word[:11]
    ]
    if relative := re.fullmatch(r"(\.+)([a-z_][\w.]*)", text.strip()):
        above = package[: len(package) - len(relative[1]) + 1]
        paths.append([*above, *relative[2].strip(".").split(".")])
    for path in paths:
        while path and ".".join(path) not in modules:
            path.pop()
        if path:
            yield ".".join(path)


def imports_of(file: Path, source: Path, modules: set[str]) -> list[Import]:
    """Every module of the package that a file imports or names in a string (docstrings aside)."""
    tree = ast.parse(file.read_text())
    package = list(file.relative_to(source).parts[:-1])
    where, found = file.relative_to(source).as_posix(), []
    for node, when in _walk(tree):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom):
            if node.level:
                base = package[: len(package) - node.level + 1]
            elif (node.module or "").split(".")[0] == "wholeface":
                base = []
            else:
                continue
            module = (
                (node.module or "").removeprefix("wholeface").strip(".")
                if not node.level
                else node.module or ""
            )
            base = [*base, *filter(None, module.split("."))]
            for alias in node.names:
                deeper = ".".join([*base, alias.name])
                names.append(deeper if deeper in modules else ".".join(base))
        elif isinstance(node, ast.Import):
            names += [
                a.name.removeprefix("wholeface").strip(".")
                for a in node.names
                if a.name.split(".")[0] == "wholeface"
            ]
        found += [Import(where, name, when, node.lineno) for name in names]
        found += [Import(where, name, "text", node.lineno) for name in _strings(node, package, modules)]
    return found


@dataclass(frozen=True)
class House:
    """A tree of modules, and what they import."""

    modules: set[str]
    imports: list[Import]


def read_house(source: Path) -> House:
    """The tree below a folder."""
    modules = _modules(source)
    files = sorted(source.rglob("*.py"))
    return House(modules, [found for file in files for found in imports_of(file, source, modules)])


def _excepted(found: Import) -> bool:
    room = _room(found.module)
    for (place, target), (whens, _) in EXCEPTIONS.items():
        here = found.file == place or (place.endswith("/") and found.file.startswith(place))
        if here and found.when in whens and target in (room, found.module):
            return True
    return False


def _importer(found: Import) -> str:
    return found.file.removesuffix(".py").removesuffix("__init__").strip("/").replace("/", ".")


def broken_walls(house: House) -> list[str]:
    """One line for each import that the walls do not allow."""
    lines = []
    for found in house.imports:
        room = _room(_importer(found))
        target = _room(found.module)
        if target == room or found.module == "" or _excepted(found):
            continue
        if room not in WALLS:
            lines.append(f"{found.file}: the room {room} has no row in WALLS")
        elif target not in WALLS[room]:
            lines.append(f"{found.file}:{found.line} ({found.when}): {room} imports {found.module}")
    return lines


def circles(house: House) -> list[list[str]]:
    """Modules that import each other while they load, directly or round several corners."""
    edges: dict[str, set[str]] = {name: set() for name in house.modules}
    for found in house.imports:
        me = _importer(found)
        if found.when == "load" and found.module in edges and found.module != me:
            edges[me].add(found.module)
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    result = []

    def visit(name: str) -> None:  # Tarjan's strongly connected components
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(edges[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            ring = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(ring) > 1:
                result.append(sorted(ring))

    for name in sorted(edges):
        if name not in index:
            visit(name)
    return result


@pytest.fixture(scope="module")
def wholeface() -> House:
    return read_house(_SOURCE)


def test_no_room_imports_what_it_may_not(wholeface: House) -> None:
    assert broken_walls(wholeface) == []


def test_no_module_imports_itself_round_a_corner(wholeface: House) -> None:
    assert circles(wholeface) == []


def test_every_room_has_a_row_and_every_row_a_room(wholeface: House) -> None:
    assert {_room(name) for name in wholeface.modules} - {"lab"} == set(WALLS)


def test_every_exception_is_in_use(wholeface: House) -> None:
    used = {
        (place, target)
        for found in wholeface.imports
        for (place, target), (whens, _) in EXCEPTIONS.items()
        if found.when in whens
        and target in (_room(found.module), found.module)
        and (found.file == place or (place.endswith("/") and found.file.startswith(place)))
    }
    assert used == set(EXCEPTIONS)


@pytest.mark.parametrize("room", sorted(WALLS))
def test_the_page_has_a_row_for_every_room(room: str) -> None:
    page = (_SOURCE.parents[1] / "docs" / "architecture.md").read_text()
    label = {"__init__": "`__init__.py`", "errors": "`errors.py`", "reconstructor": "`reconstructor.py`"}
    assert label.get(room, f"`{room}/`") in page


# The checkers themselves, on trees that are broken on purpose.


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small tree in which all is well."""
    for name, text in {
        "__init__.py": "",
        "core/__init__.py": "",
        "core/boxes.py": "import numpy\n",
        "render/__init__.py": "from .camera import Camera\n",
        "render/camera.py": "from ..core.boxes import overlap\n",
        "lab/__init__.py": "",
        "lab/data/__init__.py": "",
        "lab/data/engine.py": "from ...render import Camera\n",
        "app/cli/__init__.py": "",
        "app/cli/synth.py": "def run():\n    from ...lab.data import engine\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_sound_tree_passes(house: Path) -> None:
    assert broken_walls(read_house(house)) == []
    assert circles(read_house(house)) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("render/light.py", "from ..lab.data import engine\n"),
        ("render/light.py", "from ..lab.data.engine import x\n"),
        ("render/light.py", "from wholeface.lab.data import engine\n"),
        ("render/light.py", "import wholeface.lab.data.engine\n"),
        ("render/light.py", "import wholeface.lab.data.engine as e\n"),
        ("render/light.py", "def f():\n    from ..lab.data import engine\n"),
        (
            "render/light.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..lab.data import engine\n",
        ),
        ("render/light.py", "def f():\n    return import_module('wholeface.lab.data.engine')\n"),
        ("render/light.py", "words = ['python', '-m', 'wholeface.lab.data.engine']\n"),
        ("render/light.py", "words = 'python -m wholeface.lab.data.engine --count 3'\n"),
        ("render/light.py", "code = 'from wholeface.lab.data.engine import main; main()'\n"),
        ("core/boxes.py", "from ..render.camera import Camera\n"),
        ("__init__.py", "_HOMES = {'FaceEngine': '.lab.data.engine'}\n"),
        ("__init__.py", "def f(name):\n    return import_module(f'{__package__}.lab.data.{name}')\n"),
        ("render/light.py", "def f(name):\n    return import_module(f'..lab.data.{name}', __package__)\n"),
        ("app/cli/synth.py", "from ...lab.data import engine\n"),  # the exception is for functions
        ("app/cli/other.py", "def run():\n    from ...lab.data import engine\n"),  # and for that file
        ("attic/box.py", "from ..core.boxes import overlap\n"),  # a room that nobody entered in the table
    ],
)
def test_a_broken_wall_is_seen(house: Path, file: str, text: str) -> None:
    (house / file).parent.mkdir(exist_ok=True)
    (house / file).write_text(text)
    assert [line.split(":")[0] for line in broken_walls(read_house(house))] == [file]


@pytest.mark.parametrize(
    "last", ["from .first import a\n", "from . import first\n", "from ..render import first\n"]
)
def test_a_circle_is_seen(house: Path, last: str) -> None:
    (house / "render/first.py").write_text("from .second import b\n")
    (house / "render/second.py").write_text("from .third import c\n")
    (house / "render/third.py").write_text(last)
    assert circles(read_house(house)) == [["render.first", "render.second", "render.third"]]


def test_a_circle_through_a_room_s_own_page_is_seen(house: Path) -> None:
    (house / "render/camera.py").write_text("from ..render import Camera\n")
    assert circles(read_house(house)) == [["render", "render.camera"]]


def test_what_is_imported_in_a_function_is_no_circle(house: Path) -> None:
    (house / "render/first.py").write_text("from .second import b\n")
    (house / "render/second.py").write_text("def f():\n    from .first import a\n")
    assert circles(read_house(house)) == []


def test_what_a_docstring_names_is_no_import(house: Path) -> None:
    (house / "render/light.py").write_text('"""Used by wholeface.lab.data.engine."""\n')
    assert broken_walls(read_house(house)) == []
