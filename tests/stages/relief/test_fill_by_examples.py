from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from wholeface.core.errors import UsageError
from wholeface.core.provenance import Provenance
from wholeface.morphable import MorphableModel
from wholeface.networks.weights import WeightCard
from wholeface.stages import FaceState, Tools
from wholeface.stages.relief.examples import CoefficientEmbedding, ReliefEmbedding, frame_of, save_references
from wholeface.stages.relief.fill_by_examples import FillByExamples


@dataclass(frozen=True)
class Chosen:
    """An embedding that wants one reference."""

    number: int
    name: str = "chosen"

    def __call__(self, face: FaceState) -> np.ndarray:
        return 5 * np.eye(3)[self.number]


def _waves(x: np.ndarray, y: np.ndarray, number: int) -> np.ndarray:
    """mm; the same for a vertex and for a texel of the frame."""
    return 0.4 * np.sin(x / (7 + number)) * np.cos(y / (8 + number))


def _of_vertices(model: MorphableModel, number: int) -> np.ndarray:
    mean = model.mean.double().numpy()
    return _waves(mean[:, 0], mean[:, 1], number)


@pytest.fixture
def references(head: MorphableModel, tmp_path: Path) -> Path:
    """Three subjects: 0 and 1 seen from the front, 2 from the side."""
    frame, _ = frame_of(head, 128)
    relief = [
        np.where(frame.face, _waves(frame.places[..., 0], frame.places[..., 1], n), np.nan).astype(np.float32)
        for n in range(3)
    ]
    card = WeightCard("r", "1", "made up", "CC0-1.0", notes={"embedding": "chosen"})
    path = tmp_path / "r.safetensors"
    save_references(path, frame, relief, np.array([[0.0, 0], [2, 1], [60, 0]]), np.eye(3), card)
    return path


def _occluder() -> np.ndarray:
    hidden = np.zeros((128, 128), bool)
    hidden[60:85, 50:90] = True
    return hidden


@pytest.mark.parametrize(("alignment", "limit"), [("mesh", 0.2), ("similarity", 0.3)])
def test_the_hidden_relief_of_the_same_subject_comes_back(
    seen_face: Callable[..., FaceState], head: MorphableModel, references: Path, alignment: str, limit: float
) -> None:
    truth = seen_face(_of_vertices(head, 1)).bump
    face = seen_face(_of_vertices(head, 1), hidden=_occluder())
    stage = FillByExamples(references, Chosen(1), alignment, mean_of=1)  # type: ignore[arg-type]
    done = stage([face], Tools(head))[0].bump
    assert truth is not None
    assert face.bump is not None
    assert done is not None
    filled = done.provenance == Provenance.EXAMPLE
    assert filled[_occluder()].all()
    assert not filled[:55].any()
    np.testing.assert_array_equal(done.displacement[~filled], face.bump.displacement[~filled])
    np.testing.assert_array_equal(done.confidence[~filled], face.bump.confidence[~filled])
    error = np.abs(done.displacement - truth.displacement)[filled]
    nothing = np.abs(truth.displacement)[filled]
    assert error.mean() < limit * nothing.mean()
    assert 0 < done.confidence[filled].max() < 0.8
    assert not (done.provenance == Provenance.MODEL).any()


def test_a_stranger_has_other_folds_but_no_seam(
    seen_face: Callable[..., FaceState], head: MorphableModel, references: Path
) -> None:
    face = seen_face(_of_vertices(head, 1), hidden=_occluder())
    done = FillByExamples(references, Chosen(0), mean_of=1)([face], Tools(head))[0].bump
    assert done is not None
    filled = done.provenance == Provenance.EXAMPLE
    steps = np.abs(np.diff(done.displacement, axis=0))
    border = filled[1:] ^ filled[:-1]
    inner = (done.provenance != Provenance.NONE)[1:] & (done.provenance != Provenance.NONE)[:-1]
    assert steps[border & inner].mean() < 1.3 * steps[filled[1:] & filled[:-1]].mean()


def test_the_short_list_goes_by_viewpoint(
    seen_face: Callable[..., FaceState], head: MorphableModel, references: Path
) -> None:
    """Subject 2 is wanted, but seen from elsewhere; of a long list it is taken."""
    face = seen_face(_of_vertices(head, 2), hidden=_occluder())
    short, long = (
        FillByExamples(references, Chosen(2), count=count, mean_of=1)([face], Tools(head))[0].bump
        for count in (2, 3)
    )
    truth = seen_face(_of_vertices(head, 2)).bump
    assert short is not None
    assert long is not None
    assert truth is not None
    errors = [np.abs(b.displacement - truth.displacement)[_occluder()].mean() for b in (short, long)]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("alignment", ["mesh", "similarity"])
def test_several_references_are_averaged(
    seen_face: Callable[..., FaceState], head: MorphableModel, references: Path, alignment: str
) -> None:
    hidden = np.ones((128, 128), bool)
    face = seen_face(_of_vertices(head, 1), hidden=hidden)
    one, other, both = (
        FillByExamples(references, Chosen(n), alignment, count=2, mean_of=m)([face], Tools(head))[0].bump  # type: ignore[arg-type]
        for n, m in ((0, 1), (1, 1), (1, 2))
    )
    assert one is not None
    assert other is not None
    assert both is not None
    inner = both.provenance == Provenance.EXAMPLE
    inner &= np.roll(inner, 6, 0) & np.roll(inner, -6, 0) & np.roll(inner, 6, 1) & np.roll(inner, -6, 1)
    mean = (one.displacement + other.displacement) / 2
    assert np.corrcoef(both.displacement[inner], mean[inner])[0, 1] > 0.99


def test_where_nothing_is_hidden_the_face_goes_on_as_it_is(
    seen_face: Callable[..., FaceState], head: MorphableModel
) -> None:
    face = seen_face(_of_vertices(head, 0))
    assert FillByExamples(Path("nowhere.safetensors"))([face], Tools(head))[0] is face


def test_references_of_another_embedding_are_refused(
    seen_face: Callable[..., FaceState], head: MorphableModel, references: Path
) -> None:
    face = seen_face(_of_vertices(head, 0), hidden=_occluder())
    with pytest.raises(UsageError, match="made with the embedding 'chosen'"):
        FillByExamples(references)([face], Tools(head))
    with pytest.raises(UsageError, match="'mesh' or 'similarity'"):
        FillByExamples(references, alignment="affine")  # type: ignore[arg-type]


def test_the_embedding_of_coefficients(seen_face: Callable[..., FaceState], head: MorphableModel) -> None:
    face = seen_face(_of_vertices(head, 0))
    assert face.fit is not None
    parameters = face.fit.parameters.with_(
        identity=torch.tensor([3.0, 0, 0, 0, 0, 9]), albedo=torch.tensor([4.0, 0, 0, 0])
    )
    face = face.with_(fit=face.fit.with_(parameters=parameters))
    plain = CoefficientEmbedding(identity=2, albedo=3, albedo_weight=0.5, expression_weight=0)
    assert isinstance(plain, ReliefEmbedding)
    np.testing.assert_allclose(plain(face), np.array([3, 0, 2, 0, 0]) / np.sqrt(13), rtol=1e-6)
    assert plain.name != CoefficientEmbedding().name
    wide = CoefficientEmbedding(8, 4, expression_weight=0)(face)  # the egg has six identity modes
    np.testing.assert_allclose(wide[:9], np.array([3, 0, 0, 0, 0, 9, 0, 0, 4]) / np.sqrt(106), rtol=1e-6)
    smiling = face.fit.with_(parameters=parameters.with_(expression=torch.tensor([0, 0.5, 0.5, 0, 0])))
    with_smile = CoefficientEmbedding(1, 1, expression_weight=2.0)(face.with_(fit=smiling))
    np.testing.assert_allclose(with_smile, np.array([3, 4, 0, 1, 1, 0, 0]) / np.sqrt(27), rtol=1e-6)


def test_coefficients_of_another_model_are_not_compared(
    seen_face: Callable[..., FaceState], head: MorphableModel, tmp_path: Path
) -> None:
    """The nearest viewpoint decides then, and the user is told."""
    frame, _ = frame_of(head, 64)
    relief = [np.where(frame.face, np.float32(v), np.float32(np.nan)) for v in (0, 1)]
    own = CoefficientEmbedding()
    card = WeightCard("r", "1", "made up", "CC0-1.0", notes={"embedding": own.name, "face_model": "other 2"})
    vectors = np.eye(2, 41)
    save_references(tmp_path / "r.safetensors", frame, relief, np.array([[30.0, 0], [1, 0]]), vectors, card)
    hidden = np.ones((128, 128), bool)
    done = FillByExamples(tmp_path / "r.safetensors", mean_of=1)(
        [seen_face(_of_vertices(head, 0), hidden=hidden)], Tools(head)
    )[0]
    assert done.bump is not None
    assert np.median(done.bump.displacement[done.bump.provenance == Provenance.EXAMPLE]) == pytest.approx(1)
    assert any("another face model" in sentence for sentence in done.warnings)
