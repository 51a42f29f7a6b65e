"""``python -m wholeface.lab.modelling.albedo.figures``: images of the shipped albedo statistics for the
docs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from ....core.errors import ModelFileError
from ....core.srgb_torch import linear_to_srgb
from ....morphable.loaders.wholeface import SHIPPED_ASSET, read_asset
from ....morphable.model import MorphableModel
from ....render import render_view

__all__ = ["main"]

Array = NDArray[Any]


def _image(
    model: MorphableModel, albedo: torch.Tensor, identity: torch.Tensor, size: int, yaw: float
) -> Array:
    if model.albedo is None:
        raise ModelFileError("this face model has no albedo statistics to show")
    linear = model.albedo.texture(albedo, 512)
    texture = (linear_to_srgb(linear.clamp(max=1)) * 255).round().to(torch.uint8).permute(1, 2, 0)
    image: Array = render_view(
        model.vertices(identity),
        model.triangles,
        yaw_deg=yaw,
        size=size,
        uv=model.uv,
        uv_triangles=model.uv_triangles,
        texture=texture,
    )
    return image


def mean_image(model: MorphableModel, size: int = 420) -> Array:
    """The mean head from three sides."""
    zero, none = torch.zeros(model.albedo_size), torch.zeros(1)
    return np.hstack([_image(model, zero, none, size, yaw) for yaw in (0.0, 35.0, 80.0)])


def modes_image(model: MorphableModel, size: int = 180, count: int = 7) -> Array:
    """+2σ (top) and −2σ (bottom) of the first modes and, last, of the first iris mode."""
    rows = []
    for value in (2.0, -2.0):
        row = []
        for k in (*range(count), model.albedo_size - 2):
            c = torch.zeros(model.albedo_size)
            c[k] = value
            row.append(_image(model, c, torch.zeros(1), size, 0.0))
        rows.append(np.hstack(row))
    return np.vstack(rows)


def samples_image(
    model: MorphableModel, size: int = 190, seed: int = 1, count: int = 32, columns: int = 8
) -> Array:
    """Random subjects, shape and skin drawn independently from the model's own statistics."""
    generator = torch.Generator().manual_seed(seed)
    faces = [
        _image(
            model,
            torch.randn(model.albedo_size, generator=generator),
            0.8 * torch.randn(model.identity_size, generator=generator),
            size,
            float(torch.rand((), generator=generator) * 50 - 25),
        )
        for _ in range(count)
    ]
    return np.vstack([np.hstack(faces[i : i + columns]) for i in range(0, count, columns)])


def main(arguments: list[str] | None = None) -> int:
    """Write ``albedo_mean.jpg``, ``albedo_modes.jpg`` and ``albedo_samples.jpg``."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.modelling.albedo.figures", description=main.__doc__
    )
    parser.add_argument("--model", type=Path, default=SHIPPED_ASSET, help="model file")
    parser.add_argument("--out", type=Path, default=Path("docs/img"), help="folder to write to")
    options = parser.parse_args(arguments)
    model = read_asset(options.model)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, make in (("mean", mean_image), ("modes", modes_image), ("samples", samples_image)):
        Image.fromarray(make(model)).save(options.out / f"albedo_{name}.jpg", quality=88)
    return 0


if __name__ == "__main__":
    sys.exit(main())
