"""Speed of the renderer on a head of about 10,000 vertices: ``wholeface bench render``.

Three steps: rasterising 512×512, a shaded 512×512 image from parameters (geometry, albedo, normals,
rasteriser, shading; no gradients), and the whole model-to-image chain forward and backward at 224×224 with
gradients in identity, expression, albedo, light, pose and focal length.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from ....core.errors import UsageError, WholeFaceError
from ....morphable import AlbedoModel, MorphableModel, Parameters
from ....render import Camera, ambient_light, rasterize, render_parameters, rotation_from_degrees, to_camera
from ..protocol import Metric, Protocol, Report, RunOptions
from ..report.table import Table

__all__ = ["PROTOCOL", "RenderSpeedRow", "measure", "run"]

_DISTANCE = 600.0
_FILL = 0.85  # of the image's height that the head takes


@dataclass(frozen=True)
class RenderSpeedRow:
    """Milliseconds of one step.

    Args:
        step: what was measured.
        first_ms: the first call, with the loading (or, in a fresh installation, the compiling) of kernels.
        min_ms: fastest of the warm runs.
        median_ms: median of the warm runs.
        max_ms: slowest of the warm runs.
        cpu_ms: least processor time of a warm run, all threads together: what a busy machine does not blur.
    """

    step: str
    first_ms: float
    min_ms: float
    median_ms: float
    max_ms: float
    cpu_ms: float


def measure(model: MorphableModel | None = None, *, repeat: int = 50) -> list[RenderSpeedRow]:
    """Time the three steps.

    Args:
        model: None takes the shipped model, or a synthetic head of 10,002 vertices where it is missing.
        repeat: warm runs per step.

    Returns:
        One row per step.
    """
    head = _shipped_or_synthetic() if model is None else model
    parameters = _parameters(head)
    large, small = _camera(head, 512), _camera(head, 224)

    with torch.no_grad():
        points = to_camera(head.vertices(), parameters.rotation, parameters.translation)
        rows = [_time("rasterise 512×512", repeat, lambda: rasterize(points, head.triangles, large))]
        rows.append(_time("shaded 512×512", repeat, lambda: render_parameters(head, parameters, large)))

    leaves = {
        field.name: getattr(parameters, field.name).clone().requires_grad_()
        for field in dataclasses.fields(parameters)
    }
    focal = torch.tensor(float(small.focal), requires_grad=True)
    camera = dataclasses.replace(small, focal=focal)

    def chain() -> None:
        rendering = render_parameters(head, Parameters(**leaves), camera)
        torch.autograd.grad(rendering.image.square().sum(), [*leaves.values(), focal], allow_unused=True)

    rows.append(_time("forward + backward 224×224", repeat, chain))
    return rows


def run(options: RunOptions, *, repeat: int | None = None) -> Report:
    """See the module's docstring.

    Args:
        options: only ``quick`` counts.
        repeat: warm runs; None takes 50, or 10 where it should be quick.

    Raises:
        UsageError: ``repeat`` is below 1.
    """
    repeat = (10 if options.quick else 50) if repeat is None else repeat
    if repeat < 1:
        raise UsageError(f"--repeat {repeat}: at least 1")
    head = _shipped_or_synthetic()
    rows = measure(head, repeat=repeat)
    columns = (
        ("step", ""),
        ("first ms", ".1f"),
        ("min", ".2f"),
        ("median", ".2f"),
        ("max", ".2f"),
        ("cpu", ".2f"),
    )
    table = Table(
        f"Model {head.name}: {head.vertex_count} vertices, {len(head.triangles)} triangles",
        columns,
        [(row.step, row.first_ms, row.min_ms, row.median_ms, row.max_ms, row.cpu_ms) for row in rows],
        [f"{repeat} warm runs"],
    )
    metrics = [
        Metric(f"{row.step}, {name}", "wholeface", "all", value, "ms", count=repeat)
        for row in rows
        for name, value in (("median", row.median_ms), ("least cpu", row.cpu_ms))
    ]
    return Report([table], metrics, settings={"repeat": repeat, "model": head.name})


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeat", type=int, help="warm runs (default: 50)")


def _time(step: str, repeat: int, work: Callable[[], object]) -> RenderSpeedRow:
    samples, processor = [], []
    for _ in range(max(1, repeat) + 3):
        start, used = time.perf_counter(), time.process_time()
        work()
        samples.append(1000 * (time.perf_counter() - start))
        processor.append(1000 * (time.process_time() - used))
    warm = samples[3:]
    return RenderSpeedRow(step, samples[0], min(warm), statistics.median(warm), max(warm), min(processor[3:]))


def _camera(model: MorphableModel, size: int) -> Camera:
    height = float(model.mean[:, 1].max() - model.mean[:, 1].min())
    return Camera(_FILL * size * _DISTANCE / height, (size - 1) / 2, (size - 1) / 2, size, size)


def _parameters(model: MorphableModel) -> Parameters:
    middle = (model.mean.amin(0) + model.mean.amax(0)) / 2
    return Parameters(
        identity=torch.zeros(model.identity_size),
        expression=torch.zeros(model.expression_size),
        albedo=torch.zeros(model.albedo_size),
        light=ambient_light(),
        rotation=rotation_from_degrees(20.0, 5.0),
        translation=torch.tensor([0.0, 0.0, -_DISTANCE]) - middle,
    )


def _shipped_or_synthetic() -> MorphableModel:
    from ....morphable import load_model

    try:
        return load_model().to(dtype=torch.float32)
    except WholeFaceError:
        return _synthetic()


def _synthetic(rings: int = 100, columns: int = 100) -> MorphableModel:
    """An ellipsoid of a head's size with random modes; as much work as the real thing."""
    generator = torch.Generator().manual_seed(0)
    polar = torch.pi * torch.arange(1, rings + 1) / (rings + 1)
    angle = 2 * torch.pi * torch.arange(columns) / columns
    ring = torch.stack(
        (
            polar.sin()[:, None] * angle.sin(),
            polar.cos()[:, None].expand(rings, columns),
            polar.sin()[:, None] * angle.cos(),
        ),
        dim=-1,
    ).reshape(-1, 3)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]])
    mean = torch.cat((ring, poles)) * torch.tensor([75.0, 110.0, 95.0])
    a = torch.arange((rings - 1) * columns)
    b = a - a % columns + (a + 1) % columns
    sides = torch.cat((torch.stack((a, a + columns, b), 1), torch.stack((b, a + columns, b + columns), 1)))
    c = torch.arange(columns)
    d = (c + 1) % columns
    last = (rings - 1) * columns
    top = torch.stack((torch.full_like(c, rings * columns), c, d), 1)
    bottom = torch.stack((torch.full_like(c, rings * columns + 1), last + d, last + c), 1)
    count = len(mean)

    def modes(size: int, scale: float) -> torch.Tensor:
        return scale * torch.randn(size, count, 3, generator=generator)

    return MorphableModel(
        name="synthetic",
        version="0",
        mean=mean,
        identity=modes(80, 0.05),
        expression=modes(53, 0.05),
        expression_names=tuple(f"expression_{e:02d}" for e in range(53)),
        triangles=torch.cat((sides, top, bottom)),
        albedo=AlbedoModel("log", torch.full((count, 3), -1.0), modes(80, 0.02)),
    )


PROTOCOL = Protocol(
    name="render",
    title="Rendering",
    summary="rasteriser, shading and the differentiable chain",
    source="",
    run=run,
    add_arguments=_add_arguments,
)
