"""What several photos of one person are worth."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import RunOptions
from wholeface.lab.bench.protocols import same_person
from wholeface.morphable import MorphableModel, load_model
from wholeface.perceive import NETWORKS, has_weights


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


def test_the_error_of_the_truth_is_nothing_and_grows_with_the_distance(model: MorphableModel) -> None:
    truth = np.random.default_rng(1).normal(size=80)
    assert same_person.neutral_error(model, truth, truth) < 1e-6
    errors = [same_person.neutral_error(model, factor * truth, truth) for factor in (0.75, 0.5, 0.0)]
    assert errors == sorted(errors)
    # Identity is linear, but for the little that the alignment takes away.
    assert errors[0] == pytest.approx(errors[2] / 4, rel=0.1)


@pytest.mark.skipif(not has_weights(*NETWORKS), reason="needs the shipped weights")
def test_rows_for_each_number_of_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(same_person, "PHOTOS", (1, 2))
    report = same_person.run(RunOptions(count=2, seed=3), whole=False)
    rows = {(row[0], row[1]): row[3] for row in report.tables[0].rows}
    assert set(rows) == {("mean face", 1), ("landmark fit", 1), ("landmark fit", 2)}
    assert all(isinstance(value, float) and 0 < value < 10 for value in rows.values())
    assert len({round(float(value), 9) for value in rows.values() if value is not None}) == len(rows)
    with pytest.raises(UsageError, match="at least 2"):
        same_person.run(RunOptions(count=1))
