"""ARKit's names for our expressions."""

from __future__ import annotations

import pytest
import torch

from wholeface import Reconstruction, UsageError, load_model
from wholeface.morphable import MorphableModel
from wholeface.morphable.expression_names import ARKIT_NAMES, arkit_shapes, check_naming, native_expressions
from wholeface.morphable.priors import ExpressionPrior


@pytest.fixture(scope="module")
def model() -> MorphableModel:
    return load_model()


def test_every_arkit_name_but_the_tongue(model: MorphableModel) -> None:
    assert len(ARKIT_NAMES) == len(set(ARKIT_NAMES)) == 52
    shapes = arkit_shapes(model.expression_names)
    assert set(ARKIT_NAMES) - set(shapes) == {"tongueOut"}
    assert set(shapes) - set(ARKIT_NAMES) == {"cheekRaiserLeft", "cheekRaiserRight"}
    parts = [part for shape in shapes.values() for part in shape]
    assert sorted(parts) == sorted(model.expression_names)
    assert {name for name, shape in shapes.items() if len(shape) > 1} == {"browInnerUp", "cheekPuff"}


def test_left_is_the_faces_own_left(model: MorphableModel) -> None:
    """As in ARKit; model space has +x to the face's own left."""
    for name, shape in arkit_shapes(model.expression_names).items():
        moved = sum(model.expression[model.expression_names.index(part)] for part in shape)
        size = moved.norm(dim=1)
        centre = float((size * model.mean[:, 0]).sum() / size.sum())
        if name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight"):
            assert (float(moved[:, 0].mean()) > 0) == name.endswith("Left"), name
        elif name.endswith(("Left", "Right")):
            assert (centre > 0) == name.endswith("Left"), name
        else:
            assert abs(centre) < 5, name


def test_one_arkit_shape_is_the_sum_of_its_sides(model: MorphableModel) -> None:
    single = model.expression_vector({"browInnerUp": 0.4, "eyeBlinkLeft": 1, "jawOpen": 0.2})
    sides = model.expression_vector(
        {"browInnerUp_L": 0.4, "browInnerUp_R": 0.4, "eyeBlink_L": 1.0, "jawOpen": 0.2}
    )
    assert torch.equal(single, sides)


def test_models_of_other_naming_keep_theirs() -> None:
    names = ("expression_00", "expression_01", "jawOpen", "grin_L")
    assert arkit_shapes(names) == {name: (name,) for name in names}


def test_names_that_are_not_there(small_model: MorphableModel) -> None:
    with pytest.raises(UsageError, match=r"unknown expression 'eyeBlinkLift'; did you mean 'eyeBlinkLeft'\?"):
        small_model.expression_vector({"eyeBlinkLift": 1})
    with pytest.raises(UsageError, match="'tongueOut' is not in this model: its tongue does not move"):
        native_expressions("tongueOut", small_model.expression_names)
    with pytest.raises(UsageError, match="'eyeBlink_L' and 'eyeBlinkLeft' are the same"):
        small_model.expression_vector({"eyeBlink_L": 1, "eyeBlinkLeft": 0.5})
    with pytest.raises(UsageError, match="choose arkit or ict"):
        check_naming("apple")


def test_weights_that_are_no_numbers(small_model: MorphableModel) -> None:
    for weights in ({"jawOpen": "wide"}, {"jawOpen": None}, ["a"] * 5, None):
        with pytest.raises(UsageError, match="number"):
            small_model.expression_vector(weights)  # type: ignore[arg-type]


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), 50, -50, 2.1, -1.1])
def test_animate_refuses_weights_out_of_range(plain_head, weight: float) -> None:
    head: Reconstruction = plain_head()
    for weights in ({"eyeBlinkLeft": weight}, [0, 0, 0, weight, 0]):
        with pytest.raises(
            UsageError, match=r"expression 'eyeBlink_L': a weight of \S+ is out of range; 0 is neutral"
        ):
            head.animate(weights)


def test_animate_takes_both_namings(plain_head) -> None:
    head: Reconstruction = plain_head()
    new, old = (
        head.animate({"eyeBlinkLeft": 1.2, "jawOpen": -0.1}),
        head.animate({"eyeBlink_L": 1.2, "jawOpen": -0.1}),
    )
    assert torch.equal(new.expression, old.expression)
    assert float(new.expression[3]) == pytest.approx(1.2)


def test_statistical_modes_count_standard_deviations(plain_head, small_model: MorphableModel) -> None:
    from dataclasses import replace

    modes = replace(
        small_model,
        expression_names=tuple(f"expression_{i:02d}" for i in range(5)),
        expression_prior=ExpressionPrior.gaussian(torch.ones(5)),
    )
    head: Reconstruction = plain_head(model=modes)
    assert float(head.animate({"expression_01": -4.0}).expression[1]) == -4
    with pytest.raises(UsageError, match="standard deviations"):
        head.animate({"expression_01": 50})


def test_the_glb_weight_of_one_shape_is_the_mean_of_its_sides(plain_head, model: MorphableModel) -> None:
    head: Reconstruction = plain_head()
    named = model.expression_names
    vector = model.expression_vector({"browInnerUp_L": 0.2, "browInnerUp_R": 0.6})
    from dataclasses import replace

    parameters = replace(head.parameters, expression=vector, identity=torch.zeros(model.identity_size))
    mesh = plain_head(model=model, parameters=parameters).mesh(expressions=True)
    names = list(mesh.morph_targets)
    assert set(ARKIT_NAMES) - {"tongueOut"} <= set(names)
    assert mesh.morph_weights is not None
    assert mesh.morph_weights[names.index("browInnerUp")] == pytest.approx(0.4)
    both = model.expression[[named.index("browInnerUp_L"), named.index("browInnerUp_R")]].sum(0)
    assert torch.equal(torch.from_numpy(mesh.morph_targets["browInnerUp"].copy()), both.float())
