"""The protocol with systems whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.protocol import RunOptions, load_protocol
from wholeface.lab.bench.protocols.distillation import PROTOCOL, Answer, discrepancies, run
from wholeface.lab.bench.sets.occluded_faces import rendered_faces

_FACE = next(rendered_faces(1, 0))
_CLEAN = _FACE.photographed(_FACE.sample.clean)


def answer(shift: float = 0.0, step: float = 0.0) -> Answer:
    points = _FACE.sample.landmarks_68.astype(np.float64)
    sizes = {"identity": 50, "expression": 30, "albedo": 10, "light": 27}
    blocks = {name: np.zeros(size) for name, size in sizes.items()}
    blocks["identity"][3] = step
    return Answer(points + np.array([shift, 0.0]), blocks)


def steady(pixels: NDArray[np.uint8]) -> Answer:
    return answer()


def shaken(pixels: NDArray[np.uint8]) -> Answer:
    return answer() if (pixels == _CLEAN).all() else answer(3.0, 2.0)


def blind(pixels: NDArray[np.uint8]) -> Answer:
    if (pixels == _CLEAN).all():
        return Answer(answer().landmarks, {})
    raise NoFaceError("no face found")


def test_by_hand() -> None:
    found = discrepancies(answer(), answer(3.0, 2.0))
    eyes = _FACE.sample.landmarks_68[[36, 45]].astype(np.float64)
    assert found["landmarks"] == pytest.approx(300 / np.linalg.norm(eyes[0] - eyes[1]))
    assert found["identity"] == pytest.approx(4 / 50)
    assert found["expression"] == found["albedo"] == found["light"] == 0
    assert found["all"] == pytest.approx(4 / 117)
    assert discrepancies(Answer(None, {}), answer()) == {}
    assert set(discrepancies(Answer(answer().landmarks, {}), answer())) == {"landmarks"}


def test_the_protocol() -> None:
    systems = {"steady": steady, "shaken": shaken, "blind": blind}
    report = run(RunOptions(count=1), kinds=["pixels", "masks"], sizes=(), systems=systems)
    found = {(m.system, m.group, m.name): m for m in report.metrics}
    assert found["steady", "pixels", "landmark discrepancy"].value == 0
    assert found["steady", "all kinds", "coefficient MSE, all"].value == 0
    shaken_by = found["shaken", "all kinds", "coefficient MSE, identity"]
    assert (shaken_by.value, shaken_by.count, shaken_by.total) == (pytest.approx(4 / 50), 2, 2)
    assert not [key for key in found if key[0] == "blind"]
    assert [(m.item, m.system) for m in report.missing] == [
        (f"{_FACE.name}, pixels", "blind"),
        (f"{_FACE.name}, masks", "blind"),
    ]
    assert "0 of 2" in report.tables[0].text()
    assert len(report.files["distillation.csv"].splitlines()) == 1 + 4


def test_shape_and_sizes() -> None:
    """A system that knows the truth errs by nothing, the mean face by itself; the time stands beside them."""
    truth = _FACE.sample.parameters["identity"].astype(np.float64)

    def exact(pixels: NDArray[np.uint8]) -> Answer:
        return Answer(answer().landmarks, {"identity": truth})

    def half(pixels: NDArray[np.uint8]) -> Answer:
        return Answer(answer().landmarks, {"identity": truth / 2})

    def mean(pixels: NDArray[np.uint8]) -> Answer:
        return Answer(answer().landmarks, {"identity": np.zeros_like(truth)})

    systems = {"mean face": mean, "exact": exact, "half": half}
    report = run(RunOptions(count=1), kinds=["pixels"], sizes=(0.25,), systems=systems)
    found = {(m.system, m.group, m.name): m.value for m in report.metrics}
    for group in ("hidden: none", "hidden: 25%"):
        assert found["exact", group, "neutral shape error"] == pytest.approx(0.0, abs=1e-4)
        assert found["mean face", group, "shape error over mean face"] == 1.0
        assert found["half", group, "shape error over mean face"] == pytest.approx(0.5, abs=0.02)
    text = report.tables[1].text()
    assert "25%" in text
    assert "ms" in text


def test_wrong_input_is_refused() -> None:
    with pytest.raises(UsageError, match="--kinds noses"):
        run(RunOptions(), kinds=["noses"], systems={"steady": steady})
    with pytest.raises(UsageError, match="nothing could be measured: no face found"):
        run(RunOptions(count=1), kinds=["pixels"], systems={"blind": blind})


def test_it_is_a_protocol() -> None:
    assert load_protocol("distillation") is PROTOCOL
