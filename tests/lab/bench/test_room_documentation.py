"""docs/benchmark-room.md: its snippets run, and it names what there is."""

import re
from pathlib import Path

from wholeface.lab.bench.protocol import PROTOCOL_MODULES
from wholeface.lab.bench.systems import LAYOUTS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "benchmark-room.md").read_text()


def test_snippets_run(capsys):
    system, protocol = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.M | re.S)
    exec(compile(system, "benchmark-room.md", "exec"), {})
    assert "(68, 3)" in capsys.readouterr().out
    exec(compile(protocol, "benchmark-room.md", "exec"), {})
    shown = capsys.readouterr().out
    assert "Size of heads" in shown
    assert re.search(r"mean face +2\d\d\.\d +1 of 1", shown)


def test_every_protocol_and_layout_is_named():
    for name in PROTOCOL_MODULES:
        assert f"`bench {name}`" in PAGE
    for name, layout in LAYOUTS.items():
        assert f"| `{name}` |" in PAGE
        assert layout.meshes[0].pattern.format(stem="STEM") in PAGE
