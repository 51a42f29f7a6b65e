"""The parsing loss against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from wholeface.lab.train.losses import ParsingLoss, parsing_loss
from wholeface.networks import ParsingOutput
from wholeface.perceive import IGNORE, OccluderKind, ParsingClass

C, K = len(ParsingClass), len(OccluderKind)
SKIN, OBJECT, NONE, HAND = int(ParsingClass.SKIN), int(ParsingClass.OBJECT), 0, int(OccluderKind.HAND)


def undecided(height: int = 2, width: int = 2) -> ParsingOutput:
    return ParsingOutput(*(torch.zeros(1, n, height, width, requires_grad=True) for n in (C, K, 1)))


def maps(parsing: object, occluder: object, face: object) -> tuple[Tensor, Tensor, Tensor]:
    return torch.tensor([parsing]), torch.tensor([occluder]), torch.tensor([face], dtype=torch.bool)


ALL_SKIN = maps([[SKIN, SKIN], [SKIN, SKIN]], [[0, 0], [0, 0]], [[1, 1], [1, 1]])


def test_undecided_by_hand() -> None:
    parts = parsing_loss(
        undecided(), *maps([[SKIN, OBJECT], [SKIN, 0]], [[0, HAND], [0, 0]], [[1, 1], [1, 0]])
    )
    assert float(parts.parsing) == pytest.approx(math.log(C))
    assert float(parts.kind) == pytest.approx(math.log(K))
    assert float(parts.face) == pytest.approx(math.log(2))

    def dice(found: float) -> float:
        # One of the three face pixels is covered.
        return 1 - (2 * found + 1) / (3 * found + 1 + 1)

    expected = (dice(1 - 1 / K) + dice(1 - 9 / C)) / 2  # 9 of the classes are the face's own
    assert float(parts.occluder) == pytest.approx(expected)
    whole = math.log(C) + math.log(K) + 0.5 * expected + 0.5 * math.log(2)
    assert float(parts.total) == pytest.approx(whole)


def certain(parsing: Tensor, occluder: Tensor, face: Tensor) -> ParsingOutput:
    """What a network that is right would say."""
    one_hot = torch.nn.functional.one_hot
    return ParsingOutput(
        30.0 * one_hot(parsing.clamp_max(C - 1), C).permute(0, 3, 1, 2).float(),
        30.0 * one_hot(occluder.clamp_max(K - 1), K).permute(0, 3, 1, 2).float(),
        30.0 * (2 * face[:, None].float() - 1),
    )


def test_a_perfect_answer_costs_nothing() -> None:
    truth = maps([[SKIN, OBJECT], [SKIN, 0]], [[0, HAND], [0, 0]], [[1, 1], [1, 0]])
    parts = parsing_loss(certain(*truth), *truth)
    for name in ("total", "parsing", "kind", "occluder", "face"):
        assert float(getattr(parts, name)) == pytest.approx(0, abs=1e-5), name


def test_what_is_unknown_counts_for_nothing() -> None:
    output = undecided()
    parsing, occluder, face = maps(
        [[SKIN, IGNORE], [IGNORE, SKIN]], [[0, IGNORE], [0, IGNORE]], [[1, 1], [1, 1]]
    )
    parts = parsing_loss(output, parsing, occluder, face)
    assert float(parts.parsing) == pytest.approx(math.log(C))
    assert float(parts.kind) == pytest.approx(math.log(K))
    parts.total.backward()
    assert output.parsing.grad is not None
    assert output.kind.grad is not None
    slope, kinds = output.parsing.grad[0].abs().sum(0), output.kind.grad[0].abs().sum(0)
    assert slope[0, 0] > 0
    assert slope[0, 1] == slope[1, 0] == 0  # neither cross entropy nor Dice
    assert (kinds[:, 0] > 0).all()
    assert (kinds[:, 1] == 0).all()


def test_all_unknown_is_finite() -> None:
    nothing = maps([[IGNORE, IGNORE]], [[IGNORE, IGNORE]], [[0, 0]])
    parts = parsing_loss(undecided(1, 2), *nothing)
    assert float(parts.parsing) == float(parts.kind) == 0.0
    assert float(parts.occluder) == pytest.approx(0, abs=1e-6)
    assert math.isfinite(float(parts.total))


def test_class_weights() -> None:
    weight = torch.ones(C)
    weight[OBJECT] = 3.0
    parsing, occluder, face = maps([[SKIN, OBJECT]], [[0, HAND]], [[1, 1]])
    parts = parsing_loss(undecided(1, 2), parsing, occluder, face, class_weight=weight)
    assert float(parts.parsing) == pytest.approx((1 + 3) / 2 * math.log(C))


def test_occluders_outside_the_face_matter_less() -> None:
    # Right within the face, undecided outside: the share of the outside pixel is weight / (1 + weight).
    parsing, occluder, face = maps([[SKIN, 0]], [[0, 0]], [[1, 0]])
    output = certain(parsing, occluder, face)
    output.kind[..., 1] = 0.0
    for outside in (0.25, 1.0):
        parts = parsing_loss(output, parsing, occluder, face, outside=outside)
        assert float(parts.kind) == pytest.approx(outside / (1 + outside) * math.log(K), abs=1e-5)
        assert float(parts.occluder) == pytest.approx(
            0, abs=1e-5
        )  # the Dice part looks within the face alone


def test_each_pixel_is_pulled_to_its_label() -> None:
    output = undecided()
    truth = maps([[SKIN, OBJECT], [SKIN, 0]], [[0, HAND], [0, 0]], [[1, 1], [1, 0]])
    parsing_loss(output, *truth).total.backward()
    for logits, labels in ((output.parsing, truth[0]), (output.kind, truth[1])):
        assert logits.grad is not None
        assert torch.equal(logits.grad[0].argmin(0), labels[0])
    assert output.face.grad is not None
    assert torch.equal(output.face.grad[0, 0] < 0, truth[2][0])


def dice_of(output: ParsingOutput) -> float:
    return float(parsing_loss(output, *ALL_SKIN).occluder)


def test_a_false_occluder_costs_in_both_opinions() -> None:
    right, kind, label = (certain(*ALL_SKIN) for _ in range(3))
    kind.kind[:, HAND] = 60.0
    label.parsing[:, OBJECT] = 60.0
    # 1 − 1 / (4 + 1) in the one opinion that errs, halved.
    assert dice_of(right) == pytest.approx(0, abs=1e-5)
    assert dice_of(kind) == pytest.approx(0.4, abs=1e-4)
    assert dice_of(label) == pytest.approx(0.4, abs=1e-4)
    assert isinstance(parsing_loss(right, *ALL_SKIN), ParsingLoss)
