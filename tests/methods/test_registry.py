"""Methods by name, from installed packages and from files."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from wholeface.core.errors import UsageError
from wholeface.methods import METHODS, MethodOptions, MethodSpec, get_method, method_names, registry
from wholeface.stages import Tools

_FILE = """
from wholeface.methods import MethodSpec
METHOD = MethodSpec(name="mine", paper="none", stages=lambda options, tools: [])
"""


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_builds_a_checked_list_that_fills_what_a_result_needs(name: str, small_model) -> None:
    spec = get_method(name)
    for refine in (True, False):
        stages = spec.build(MethodOptions(refine=refine), Tools(model=small_model))
        assert {"fit", "mask", "texture"} <= set().union(*(step.writes for step in stages))
        refines = name != "distilled"  # whose network has said everything
        assert any(step.name == "refine" for step in stages) is (refine and refines)


def test_unknown_method_lists_those_that_exist() -> None:
    with pytest.raises(UsageError, match="unknown method 'autoo'; choose from auto, analysis"):
        get_method("autoo")


def test_a_method_from_a_file_and_its_faults(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    with pytest.raises(UsageError, match=r"mine\.py: no such file"):
        get_method(str(path))
    path.write_text(_FILE)
    spec = get_method(str(path))
    assert spec.name == "mine"
    assert get_method(spec) is spec
    with pytest.raises(UsageError, match="method 'mine' ends without 'fit'"):
        spec.build(MethodOptions(), None)  # type: ignore[arg-type]
    path.write_text("METHOD = 3\n")
    with pytest.raises(UsageError, match=r"METHOD should be a wholeface\.methods\.MethodSpec, but is int"):
        get_method(str(path))
    path.write_text("1 / 0\n")
    with pytest.raises(UsageError, match="cannot be loaded: ZeroDivisionError"):
        get_method(str(path))


def test_installed_packages_offer_methods(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = EntryPoint("other", "wholeface.methods.analysis:METHOD", registry.ENTRY_POINT_GROUP)
    broken = EntryPoint("broken", "no_such_package_at_all:METHOD", registry.ENTRY_POINT_GROUP)
    shadow = EntryPoint("auto", "no_such_package_at_all:METHOD", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [ours, broken, shadow])
    assert method_names() == [*METHODS, "broken", "other"]
    assert isinstance(get_method("other"), MethodSpec)
    assert get_method("auto").name == "auto"  # our own names cannot be taken
    with pytest.raises(
        UsageError, match="'broken', offered by no_such_package_at_all:METHOD, cannot be loaded"
    ):
        get_method("broken")
