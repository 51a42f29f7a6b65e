"""Validation and test of drawn sets never meet: neither their seeds nor the subjects and occluders in them."""

from __future__ import annotations

import numpy as np
import pytest

from wholeface.core.errors import UsageError
from wholeface.lab.bench.protocol import PROTOCOL_MODULES, Protocol, Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols import shrinkage
from wholeface.lab.bench.protocols.landmarks import protocol as landmark_error
from wholeface.lab.bench.protocols.perception import protocol as perception
from wholeface.lab.bench.protocols.rendered import protocol as rendered_truth
from wholeface.lab.bench.report.outputs import printed, run_protocol
from wholeface.lab.bench.sets import occluded_faces as _occluded_faces
from wholeface.lab.bench.sets.occluded_faces import rendered_faces
from wholeface.lab.bench.sets.scan_subjects import subjects
from wholeface.lab.data.occluders import OccluderLibrary
from wholeface.lab.data.synthetic.faces import SyntheticFaces
from wholeface.morphable import load_model

_MOST = 999_999  # the largest seed that is taken


def drawn(split: str, seed: int) -> RunOptions:
    """The options that reach a protocol."""
    seen: list[RunOptions] = []

    def run(options: RunOptions) -> Report:
        seen.append(options)
        return Report([], [])

    run_protocol(Protocol("x", "", "", "", run), RunOptions(split=split, seed=seed))  # type: ignore[arg-type]
    return seen[0]


def test_seeds_of_the_splits_do_not_meet_whatever_series_a_protocol_adds() -> None:
    series = (
        0,
        rendered_truth._SEED,
        landmark_error._SEED,
        _occluded_faces._SEED,
        2 * shrinkage._HELD_OUT_SEED,
    )
    test = [
        SyntheticFaces(seed=s + drawn("test", seed).seed, split="test").seed
        for s in series
        for seed in (0, _MOST)
    ]
    validation = [
        SyntheticFaces(seed=s + drawn("validation", seed).seed, split="test").seed
        for s in series
        for seed in (0, _MOST)
    ]
    assert max(test) < min(validation)
    # The sweep takes two series of seeds for each seed.
    assert (
        shrinkage._HELD_OUT_SEED + 2 * drawn("validation", 0).seed > shrinkage._HELD_OUT_SEED + 2 * _MOST + 1
    )
    assert min(test) >= 1_000_000  # where no training seed is


def test_a_seed_that_would_reach_the_other_split_is_refused() -> None:
    with pytest.raises(UsageError, match="below 1,000,000"):
        drawn("test", _MOST + 1)


def test_subjects_of_the_splits_differ() -> None:
    model = load_model()
    known = []
    for split in ("test", "validation"):
        options = drawn(split, 0)
        known.append([person.identity for person in subjects(model, 3, options.seed, options.occluded_split)])
        rendered = [face.sample.parameters["identity"] for face in rendered_faces(2, options.seed)]
        known[-1] += [np.asarray(identity, np.float32) for identity in rendered]
    for one in known[0]:
        assert all(one.shape != other.shape or np.abs(one - other).max() > 0.1 for other in known[1])


def test_occluders_of_the_splits_differ() -> None:
    test, validation = drawn("test", 0).designs, drawn("validation", 0).designs
    one, other = OccluderLibrary(None, test), OccluderLibrary(None, validation)
    for kind in ("patches", "scarves", "objects", "masks"):
        assert not set(one.source(kind).names(test)) & set(other.source(kind).names(validation))  # type: ignore[attr-defined]


def test_validation_is_said_and_recorded() -> None:
    outcome = run_protocol(
        Protocol("x", "", "", "", lambda options: Report([], [])), RunOptions(split="validation", seed=3)
    )
    assert outcome.record["options"]["split"] == "validation"
    assert outcome.record["options"]["seed"] == 3
    assert "not for reports" in printed(outcome)
    assert RunOptions().split == "test"


def test_every_measurement_is_a_protocol() -> None:
    assert {load_protocol(name).name for name in PROTOCOL_MODULES} == set(PROTOCOL_MODULES)
    assert perception.PROTOCOL.material == "."
