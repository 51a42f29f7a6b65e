"""docs/serving.md, done as it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import STUB, Server

_PAGE = Path(__file__).resolve().parents[3] / "docs" / "serving.md"


def _blocks() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", _PAGE.read_text(), flags=re.M | re.S)


def test_the_client_of_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    monkeypatch.chdir(tmp_path)
    server = Server(tmp_path / "store", tmp_path / "log", engine=STUB)
    try:
        code = _blocks()[0].replace("http://127.0.0.1:8000", server.url)
        exec(compile(code, "serving.md", "exec"), {})
    finally:
        server.end()
    assert "done" in capsys.readouterr().out
    assert (tmp_path / "head1.glb").read_bytes().startswith(b"glTF")


def test_the_application_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(_blocks()[1], "serving.md", "exec"), names)
    assert callable(names["app"])
    assert list(tmp_path.iterdir()) == []  # nothing is made before it starts


def test_every_kind_of_refusal_is_on_the_page() -> None:
    source = Path(__import__("wholeface.app.serve", fromlist=["x"]).__file__).parent  # type: ignore[arg-type]
    text = "".join(
        (source / name).read_text() for name in ("api.py", "guard.py", "results.py", "crew.py", "worker.py")
    )
    kinds = set(re.findall(r"(?:refusal\(|return )(?:[45]\d\d), \"(\w+)\"", text)) | {"slow", "bytes"}
    kinds |= set(re.findall(r"\"kind\": \"(\w+)\"", text))
    page = _PAGE.read_text()
    assert {kind for kind in kinds if f"`{kind}`" not in page} == set()
