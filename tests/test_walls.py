"""No room imports what docs/architecture.md does not let it import."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

_SOURCE = Path(__file__).resolve().parents[1] / "src" / "wholeface"
_FREE = {"core", "errors", "_jit", "_mesh", "_npy", "_quiet", "_short_repr", "_timing", "__version__"}
_ROOMS = {
    "weights": {"_quantise"},
    "photo": set(),
    "morphable": {"weights"},
    "morphable/learn": {"weights", "render", "perceive", "fit", "morphable"},
    "render": {"morphable"},
    "perceive": {"photo", "weights"},
    "fit": {"morphable", "render", "perceive.landmarks", "photo"},
    "complete": {"morphable", "render", "perceive"},
    "export": set(),
    "data": {"morphable", "render", "export", "perceive.labels", "perceive"},
    "data/portraits": {"morphable", "render", "perceive", "fit", "complete"},
    "train": {"photo", "weights", "_quantise", "morphable", "perceive", "data"},
}


def _room(file: Path) -> str:
    parts = file.relative_to(_SOURCE).with_suffix("").parts
    if parts[:2] == ("morphable", "learn"):
        return "morphable/learn"
    if parts[0] == "data" and parts[1].startswith("portraits"):
        return "data/portraits"
    return parts[0]


def _imports(file: Path) -> set[str]:
    """Modules of the package below its root, as ``perceive.landmarks``."""
    inside = file.relative_to(_SOURCE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = [*inside[: len(inside) - node.level + 1], *(node.module or "").split(".")]
            found |= {
                ".".join(filter(None, [*place, *([] if node.module else [a.name])])) for a in node.names
            }
    return found


@pytest.mark.parametrize("room", sorted(_ROOMS))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    files = [file for file in _SOURCE.rglob("*.py") if _room(file) == room]
    assert files
    own = room.split("/")[0]
    allowed = _ROOMS[room] | _FREE | {own}
    for file in files:
        for name in _imports(file):
            names = {name, ".".join(name.split(".")[:2]), name.split(".")[0]}
            # ``perceive.landmarks`` among the allowed opens that file alone.
            assert names & allowed, f"{file.relative_to(_SOURCE)} imports {name}"
