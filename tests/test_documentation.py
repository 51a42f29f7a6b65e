"""What the README and the docs promise is executed here."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import wholeface
from wholeface.app.cli.command import build_parser, main
from wholeface.perceive import NETWORKS, has_weights

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
        module = _ROOT / "src" / Path(*words[2].split("."))
        assert module.is_dir() or module.with_suffix(".py").is_file()


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with ``photo.jpg`` in it."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="needs matplotlib's example image")
    shutil.copy(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)), tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photo.jpg"


def test_the_readme_snippets_run(photo: Path, tmp_path: Path) -> None:
    blocks = _blocks(_ROOT / "README.md", "python")
    assert blocks, "the README shows the Python API"
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert (tmp_path / "out" / "face.glb").exists()


def test_the_first_snippet_about_data_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(_blocks(_ROOT / "docs" / "data.md", "python")[0], "data.md", "exec"), {})
    assert (tmp_path / "sample" / "photo.png").exists()
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")
def test_the_first_snippet_about_perception_runs(photo: Path) -> None:
    exec(compile(_blocks(_ROOT / "docs" / "perception.md", "python")[0], "perception.md", "exec"), {})


def test_a_stage_and_a_method_of_ones_own(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/extending.md, done as it says: as a file, as an object, and as an installed package's entry point."""
    page = _ROOT / "docs" / "extending.md"
    folder = photo.parent
    (source,) = _blocks(page, "python")
    (folder / "my_method.py").write_text(source)
    commands = [line for block in _blocks(page, "bash") for line in block.splitlines()]
    (section,) = _blocks(page, "toml")
    group, line = re.fullmatch(r'\[project\.entry-points\."(.*)"\]\n(.*)\n', section).groups()  # type: ignore[union-attr]
    package = folder / "mine-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[{group}]\n{line.replace(chr(34), '')}\n")
    monkeypatch.syspath_prepend(folder)
    hidden = []
    for command in commands:
        assert main([*shlex.split(command)[1:], "--texture-size", "64"]) == 0
        record = json.loads((folder / "out" / "photo" / "face.json").read_text())
        assert record["method"] == "wary"
        hidden.append(record["hidden_fraction"])
    usual = wholeface.Reconstructor(texture_size=64)(photo)
    assert hidden == [pytest.approx(hidden[0])] * 2
    assert hidden[0] > usual.hidden_fraction + 0.01
    module = runpy.run_path(str(folder / "my_method.py"))
    late = replace(module["METHOD"], stages=lambda o, t: [module["wary_mask"], *module["stages"](o, t)])
    with pytest.raises(wholeface.UsageError) as refused:
        wholeface.Reconstructor(method=late)
    assert str(refused.value) in page.read_text()


def test_every_link_to_a_file_leads_somewhere() -> None:
    for page in _PAGES:
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)  # in code [i](x) is no link
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)|src=\"([^\"]+)\"", prose):
            link = target[0] or target[1]
            if not link.startswith(("http://", "https://", "mailto:")):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
