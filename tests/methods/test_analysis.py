"""What differs between the method with and without refinement."""

from __future__ import annotations

import numpy as np
import torch

from wholeface.core.srgb_torch import linear_to_srgb
from wholeface.methods import MethodOptions, get_method
from wholeface.morphable import Parameters, load_model
from wholeface.perceive import FaceLandmarks
from wholeface.photo import read_photo
from wholeface.render import Camera, ambient_light, directional_light, render_parameters, to_camera
from wholeface.stages import FaceFit, FaceState, MaskEstimate, Tools, run_stages


def test_without_refinement_everybody_keeps_a_tone_of_their_own_and_the_shape_stays() -> None:
    model = load_model()
    assert model.albedo is not None
    assert model.landmarks_68 is not None
    camera = Camera(900.0, 95.5, 95.5, 192, 192)
    neutral = Parameters(
        identity=torch.zeros(model.identity_size),
        expression=torch.zeros(model.expression_size),
        albedo=torch.zeros(model.albedo_size),
        light=ambient_light(0.5) + directional_light((0.3, 0.4, 0.9), 0.5),
        rotation=torch.zeros(3),
        translation=torch.tensor([0.0, 0.0, -1300.0]),
    )
    (tone,) = [
        step
        for step in get_method("analysis").build(MethodOptions(refine=False), Tools(model=model))
        if step.name == "tone"
    ]
    found = {}
    for name, sign in (("darker", 1.0), ("lighter", -1.0)):
        albedo = neutral.albedo.clone()
        direction = (
            model.albedo.vertices(torch.eye(len(albedo))[0]).mean() - model.albedo.vertices(albedo).mean()
        )
        albedo[0] = -2.0 * sign * torch.sign(direction)  # the first mode is how light or dark the skin is
        drawn = render_parameters(model, neutral.with_(albedo=albedo), camera)
        pixels = (linear_to_srgb(drawn.image[0].clamp(0, 1)) * 255).byte().permute(1, 2, 0).numpy()
        posed = to_camera(
            model.vertices(neutral.identity, neutral.expression), neutral.rotation, neutral.translation
        )
        points = camera.project(model.landmarks_68.points(posed, model.triangles)).double().numpy()
        region = drawn.mask[0].numpy() & (np.arange(192)[:, None] > points[17:27, 1].min())
        face = FaceState(
            read_photo(np.ascontiguousarray(pixels)),
            FaceLandmarks.from_points(points, "ibug68"),
            fit=FaceFit(model, neutral, camera),
            mask=MaskEstimate(np.zeros(region.shape, np.float32), region),
        )
        (done,) = run_stages([tone], [face], Tools(model=model))
        assert isinstance(done, FaceState)
        assert done.fit is not None
        assert torch.equal(done.fit.parameters.identity, neutral.identity)
        assert torch.equal(done.fit.parameters.expression, neutral.expression)
        found[name] = float(model.albedo.vertices(done.fit.parameters.albedo).mean())
    mean = float(model.albedo.vertices(neutral.albedo).mean())
    assert found["darker"] < 0.9 * mean
    assert found["lighter"] > 1.1 * mean
