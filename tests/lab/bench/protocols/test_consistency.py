"""The protocol with reconstructors whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wholeface.core.errors import NoFaceError, UsageError
from wholeface.lab.bench.heads.parts import head_parts, hidden_and_seen
from wholeface.lab.bench.protocol import Report, RunOptions, load_protocol
from wholeface.lab.bench.protocols.consistency import PROTOCOL, run
from wholeface.lab.bench.sets.occluded_faces import CleanFace, Occlude, rendered_faces
from wholeface.lab.data import FaceSample
from wholeface.morphable import MorphableModel, Parameters, load_model
from wholeface.perceive import FaceLandmarks
from wholeface.render import Camera

Change = Callable[[Parameters], Parameters]


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


@pytest.fixture(scope="module")
def face() -> CleanFace:
    return next(rendered_faces(1, 0))


def true_parameters(sample: FaceSample) -> tuple[Parameters, Camera]:
    p = {name: torch.from_numpy(np.asarray(value)) for name, value in sample.parameters.items()}
    names = ("identity", "expression", "albedo", "light", "rotation", "translation")
    camera = Camera(float(p["focal"]), float(p["cx"]), float(p["cy"]), sample.size, sample.size)
    return Parameters(**{name: p[name] for name in names}), camera


class Oracle:
    """Knows the truth of the one face; behind an occluder its answer is changed."""

    parser = None

    def __init__(self, face: CleanFace, model: MorphableModel, change: Change, *, mask: bool = True) -> None:
        self.face, self.model, self.change = face, model, change
        self.clean = face.photographed(face.sample.clean)
        self.hidden = Occlude(None, 0)(face, "masks", 0.3).hidden & mask

    def __call__(self, pixels: NDArray[np.uint8]) -> Any:
        sample = self.face.sample
        parameters, camera = true_parameters(sample)
        differs = (pixels != self.clean).any(axis=2)
        if differs.any():
            parameters = self.change(parameters)
        points = np.concatenate([sample.landmarks_68, sample.dense]).astype(np.float64)
        return SimpleNamespace(
            model=self.model,
            parameters=parameters,
            camera=camera,
            face_region=sample.face,
            occluder=(self.hidden & differs.any()).astype(np.float32),
            landmarks=FaceLandmarks.from_points(points, "wholeface668"),
            deoccluded=self.clean,
            photo=SimpleNamespace(pixels=pixels),
        )


def values(report: Report, system: str, group: str) -> dict[str, float]:
    return {m.name: m.value for m in report.metrics if m.system == system and m.group == group}


def consistency(reconstructor: Any, **options: Any) -> Report:
    settings = RunOptions(count=options.pop("count", 1), systems=options.pop("systems", ("wholeface",)))
    return run(settings, reconstructor=reconstructor, **{"kinds": ["masks"], "sizes": [0.3], **options})


def test_an_unmoved_answer_has_no_error(face: CleanFace, model: MorphableModel) -> None:
    report = consistency(Oracle(face, model, lambda p: p), systems=("wholeface", "mediapipe"))
    ours = values(report, "wholeface", "30% hidden")
    assert ours["hidden part, neutral"] == ours["seen part, with expression"] == ours["landmark drift"] == 0
    assert ours["completed colour, ΔE76"] == 0
    assert ours["mask IoU"] == 1
    mean = values(report, "mean face", "30% hidden")
    # The mean face is as far away as the person is unusual
    assert 1 < mean["hidden part, neutral"] < 12
    assert mean["completed colour, ΔE76"] > 1
    assert "mask IoU" not in mean
    assert report.missing == []
    assert "mediapipe: no row" in report.tables[0].text()
    assert [row[1] for row in report.tables[0].rows] == ["mean face", "wholeface"]


def test_a_known_change_of_identity(face: CleanFace, model: MorphableModel) -> None:
    step = torch.zeros(model.identity_size)
    step[0] = 1.0
    report = consistency(Oracle(face, model, lambda p: p.with_(identity=p.identity + step), mask=False))
    ours = values(report, "wholeface", "30% hidden")
    each = model.identity[0].double().norm(dim=1)[model.region("face")]
    assert each.min() < ours["hidden part, neutral"] < each.max()
    assert ours["hidden part, neutral"] == pytest.approx(ours["hidden part, with expression"], abs=1e-4)
    assert ours["landmark drift"] > 0
    assert ours["mask IoU"] == 0


def test_an_expression_leaves_the_neutral_head(face: CleanFace, model: MorphableModel) -> None:
    def smile(p: Parameters) -> Parameters:
        return p.with_(expression=p.expression + 0.5 * model.expression_vector({"jawOpen": 1.0}))

    ours = values(consistency(Oracle(face, model, smile)), "wholeface", "masks")
    assert ours["hidden part, neutral"] == ours["seen part, neutral"] == 0
    assert ours["hidden part, with expression"] > 1


def test_pose_is_no_part_of_the_distance(face: CleanFace, model: MorphableModel) -> None:
    def moved(p: Parameters) -> Parameters:
        return p.with_(translation=p.translation + torch.tensor([8.0, 0.0, 0.0]))

    ours = values(consistency(Oracle(face, model, moved)), "wholeface", "masks")
    assert ours["hidden part, neutral"] == ours["seen part, with expression"] == 0
    assert ours["landmark drift"] == pytest.approx(
        100 * 8 / 90, rel=0.35
    )  # of about 90 mm between the eye corners


def test_hidden_and_seen_part_the_visible_face(face: CleanFace, model: MorphableModel) -> None:
    parameters, camera = true_parameters(face.sample)
    mask = np.zeros((256, 256), bool)
    nose = head_parts(model, parameters, camera).landmarks[30]
    mask[int(nose[1]) :] = True
    hidden, seen = hidden_and_seen(model, parameters, camera, mask)
    assert not (hidden & seen).any()
    region = model.region("face").numpy()
    assert not ((hidden | seen) & ~region).any()
    none, all_seen = hidden_and_seen(model, parameters, camera, np.zeros_like(mask))
    assert not none.any()
    assert (all_seen == (hidden | seen)).all()
    height = model.mean[:, 1].numpy()
    assert height[hidden].mean() < height[seen].mean()  # the wrong side would be above


def test_failures_are_missing(face: CleanFace, model: MorphableModel) -> None:
    def refuse(p: Parameters) -> Parameters:
        raise NoFaceError("no face found")

    with pytest.raises(UsageError, match="nothing could be measured: no face found"):
        consistency(Oracle(face, model, refuse))
    calls: list[int] = []

    def sometimes(p: Parameters) -> Parameters:
        calls.append(0)
        if len(calls) == 1:
            raise NoFaceError("no face found")
        return p

    report = consistency(Oracle(face, model, sometimes), sizes=[0.2, 0.3])
    assert [(m.system, m.reason) for m in report.missing] == [("wholeface", "no face found")]
    assert "0 of 1" in report.tables[0].text()
    assert {(m.count, m.total) for m in report.metrics if m.group == "masks"} == {(1, 2)}
    with pytest.raises(UsageError, match="--kinds noses"):
        consistency(None, kinds=["noses"])
    with pytest.raises(UsageError, match="--sizes"):
        consistency(None, sizes=[1.5])


def test_it_is_a_protocol() -> None:
    assert load_protocol("consistency") is PROTOCOL
