"""Loading and preparing in the background: same results, errors where they belong."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import wholeface
from wholeface.complete import _atlas
from wholeface.errors import ModelFileError
from wholeface.methods import _prepare


def _join() -> None:
    for thread in threading.enumerate():
        if thread.name in ("face model", "texture tables"):
            thread.join(60)


def test_a_model_that_cannot_be_read_is_an_error_of_the_constructor(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"missing\.safetensors"):
        wholeface.Reconstructor(model=tmp_path / "missing.safetensors")


def test_tables_are_made_once_for_several_threads(small_model, monkeypatch: pytest.MonkeyPatch) -> None:
    built = []
    build = _atlas._build_atlas
    monkeypatch.setattr(_atlas, "_build_atlas", lambda *words: built.append(words[1]) or build(*words))
    _prepare.prepare_in_background(small_model, 96)
    tables = _atlas.atlas_of(small_model, 96)
    _join()
    assert built == [96]
    assert _atlas.atlas_of(small_model, 96) is tables


def test_an_error_of_the_preparation_waits_until_the_tables_are_used(
    small_model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(threading, "excepthook", seen.append)
    monkeypatch.setattr(_atlas, "_build_atlas", lambda *_: 1 / 0)
    _prepare.prepare_in_background(small_model, 97)
    _join()
    assert seen == []
    with pytest.raises(ZeroDivisionError):
        _atlas.atlas_of(small_model, 97)
