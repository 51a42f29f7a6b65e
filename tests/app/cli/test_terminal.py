"""Nothing that a file is called reaches a terminal as a command."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wholeface.app.cli._terminal import printable, reason_of, say, tolerant_streams


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("Łódź 東京 é 👩", "Łódź 東京 é 👩"),
        ("a\nb\x1b[31mRED\x07", "a\\nb\\x1b[31mRED\\x07"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
        ("\udcff", "\\udcff"),
        ("\x9b31m", "\\x9b31m"),
        ("a\u2028b", "a\\u2028b"),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_always_one_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")
    assert "\x1b" not in shown


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252"])
def test_streams_write_what_they_lack_as_escapes(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    with tolerant_streams():
        say("Ł東.jpg")
    assert raw.getvalue().rstrip() == b"\\u0141\\u6771.jpg"
    assert stream.errors == "strict"  # as it was found


def test_what_the_system_says_without_its_number() -> None:
    assert reason_of(PermissionError(13, "Permission denied", "out/x")) == "out/x: Permission denied"
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert "memory" in reason_of(MemoryError())
    assert reason_of(ValueError()) == "ValueError"
