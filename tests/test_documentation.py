"""What the README and the docs promise is executed here."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from wholeface.app.cli import build_parser

_ROOT = Path(__file__).resolve().parents[1]
_PAGES = [_ROOT / "README.md", *sorted((_ROOT / "docs").glob("*.md"))]


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), flags=re.M | re.S)


def _commands() -> list[tuple[str, str]]:
    found = []
    for page in _PAGES:
        for block in _blocks(page, "(?:bash|sh|console)"):
            text = block.replace("\\\n", " ")
            found += [
                (page.name, line.removeprefix("$ ").strip())
                for line in text.splitlines()
                if re.match(r"(\$ )?(wholeface|make|python -m wholeface)\b", line)
            ]
    return found


@pytest.mark.parametrize(("page", "command"), _commands())
def test_commands_in_the_docs_exist(page: str, command: str) -> None:
    words = shlex.split(command.split("#")[0].split("|")[0].split(">")[0])
    if words[0] == "make":
        targets = re.findall(r"^([a-z]+):", (_ROOT / "Makefile").read_text(), flags=re.M)
        assert {w for w in words[1:] if "=" not in w} <= set(targets)
    elif words[0] == "wholeface":
        build_parser().parse_args(words[1:])  # exits, and so fails the test, when a flag does not exist
    else:
        assert (_ROOT / "src" / Path(*words[2].split("."))).is_dir()


def test_the_readme_snippets_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cbook = pytest.importorskip("matplotlib.cbook", reason="needs matplotlib's example picture")
    shutil.copy(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    blocks = _blocks(_ROOT / "README.md", "python")
    assert blocks, "the README shows the Python API"
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "out" / "face.glb").exists()


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in _PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)|src=\"([^\"]+)\"", page.read_text()):
            link = target[0] or target[1]
            if not link.startswith(("http://", "https://", "mailto:")):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
