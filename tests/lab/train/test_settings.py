"""Settings from words and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.train import Recipe, TrainConfig, describe_settings, parse_settings
from wholeface.lab.train.settings import settings_from_json, settings_to_json


@dataclass(frozen=True)
class Sizes(TrainConfig):
    """All kinds of fields.

    Args:
        rate: a number, which
            takes two lines.
        choice: a word: or another.
    """

    rate: float = 0.5
    choice: Literal["a", "b"] = "a"
    limit: float | None = None
    stores: tuple[Path, ...] = ()
    pair: tuple[int, str] = (1, "x")
    flag: bool = False
    title: str = ""


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("rate=1e-3", 1e-3),
        ("rate=2", 2.0),
        ("choice=b", "b"),
        ("limit=3.5", 3.5),
        ("limit=none", None),
        ("stores=", ()),
        ("stores=a/b,c", (Path("a/b"), Path("c"))),
        ("pair=7,seven", (7, "seven")),
        ("flag=true", True),
        ("flag=No", False),
        ("title=a=b", "a=b"),
        ("steps=20_000", 20_000),
    ],
)
def test_words(word: str, value: object) -> None:
    settings = parse_settings(Sizes(flag=value is False), [word])
    found = getattr(settings, word.partition("=")[0])
    assert found == value
    assert type(found) is type(value)
    assert settings_from_json(Sizes, json.loads(json.dumps(settings_to_json(settings)))) == settings


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("rate", "key=value"),
        ("rate=fast", "rate=fast: expected float"),
        ("steps=1.5", "expected int"),
        ("choice=c", "expected one of a, b"),
        ("flag=maybe", "expected true or false"),
        ("pair=1", "expected int,text"),
        ("limit=x", "expected float or none"),
        ("steps=0", "steps must be at least 1"),
        ("ema=1", "ema must be in"),
        ("colour=1", r"unknown setting 'colour'; known are: steps \(int\), .*stores \(path,…\)"),
    ],
)
def test_wrong_words(word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_settings(Sizes(), [word])


def test_every_setting_is_described() -> None:
    lines = {line.partition(":")[0]: line for line in describe_settings(Sizes(stores=(Path("a"), Path("b"))))}
    assert lines["rate"] == "rate: float = 0.5   a number, which takes two lines."
    assert lines["choice"] == "choice: one of a, b = a   a word: or another."
    assert lines["stores"].startswith("stores: path,… = a,b")
    assert lines["flag"] == "flag: true or false = false"
    assert lines["limit"] == "limit: float or none = none"
    assert "after the warm-up" in lines["learning_rate"]


def test_settings_of_another_version_are_refused() -> None:
    values = settings_to_json(Sizes())
    with pytest.raises(UsageError, match="no settings older"):
        settings_from_json(Sizes, {**values, "older": 1})
    with pytest.raises(UsageError, match="steps must be"):
        settings_from_json(Sizes, {**values, "steps": 0})


def test_every_recipe_has_documented_settings() -> None:
    from wholeface.lab.train import load_recipe, recipe_names

    for name in recipe_names():
        recipe: Recipe[Any] = load_recipe(name)
        assert recipe.name == name
        assert recipe.summary
        for line in describe_settings(recipe.config()):
            assert "   " in line, f"{name}: {line} has no docstring line"
