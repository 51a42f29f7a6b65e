"""Loading and preparing in the background: same results, errors where they belong."""

from __future__ import annotations

from pathlib import Path

import pytest

import wholeface
from wholeface.core.errors import ModelFileError
from wholeface.stages.prepare import in_background, prepare_stages


def test_a_model_that_cannot_be_read_is_an_error_of_the_constructor(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"missing\.safetensors"):
        wholeface.Reconstructor(model=tmp_path / "missing.safetensors")


def test_the_result_or_the_error_of_work_in_the_background_comes_when_asked_for() -> None:
    assert in_background(lambda: 6 * 7, "sum").result(10) == 42
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0, "sum").result(10)


def test_only_stages_that_can_prepare_are_asked_to() -> None:
    asked = []

    class Able:
        def prepare(self, tools: object) -> None:
            asked.append(tools)

    prepare_stages([object(), Able()], "tools")  # type: ignore[list-item, arg-type]
    assert asked == ["tools"]
