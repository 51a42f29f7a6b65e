"""How well albedo statistics explain the skin of photographed people, by tone.

``python -m wholeface.lab.modelling.albedo.explained``: the held-out photographs under a face model's statistics.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.cielab import lab_from_linear
from ....core.spherical_harmonics import sh_basis_array
from ....morphable.albedo import AlbedoModel
from .skins.light import fit_light
from .skins.portraits import Unwrapped

__all__ = ["Explained", "by_tone", "explain", "main", "zone_statistics"]

Array = NDArray[Any]
Bools = NDArray[np.bool_]
_NOISE, _ROUNDS = 0.1, 8
_LEAST_SHADING = 0.1


@dataclass(frozen=True)
class Explained:
    """N photographs as statistics explain them.

    Args:
        delta_e: (N,) mean CIE 1976 colour difference over the visible skin.
        coefficients: (N, K) of the modes.
    """

    delta_e: Array
    coefficients: Array


def zone_statistics(albedo: AlbedoModel, zone: Bools) -> tuple[Array, Array]:
    """Mean (T, 3) and modes (K, T, 3) in log units on the texels of ``zone`` (S, S)."""
    from ....core.resize import resize_bilinear

    assert albedo.mean_texture is not None
    assert albedo.basis_texture is not None
    size = zone.shape[0]
    mean = resize_bilinear(albedo.mean_texture, size, size).permute(1, 2, 0).double().numpy()[zone]
    basis = resize_bilinear(albedo.basis_texture, size, size).permute(0, 2, 3, 1).numpy()[:, zone]
    return mean, basis


def explain(mean: Array, basis: Array, photos: Unwrapped, skin: Array) -> Explained:
    """Fit modes and a spherical-harmonics light to photographs and compare colours.

    Modes have their Gaussian prior and texels a noise of 0.1 in log units; light and modes take turns, texels that
    neither explains (gloss, shadow) lose their say in the fit, never in the comparison.

    Args:
        mean: (T, 3) log albedo.
        basis: (K, T, 3).
        photos: N unwrapped photographs.
        skin: (N, T) bool, texels to fit and to compare.
    """
    errors = np.empty(len(photos.names))
    coefficients = np.zeros((len(errors), len(basis)))
    for n in range(len(errors)):
        at = skin[n]
        colour, normals = photos.colour[n, at].astype(np.float64), photos.normals[n, at]
        phi, z = sh_basis_array(normals), np.zeros(len(basis))
        m, b = mean[at], basis[:, at].reshape(len(basis), -1).astype(np.float64)
        for _ in range(_ROUNDS):
            log_albedo = m + (z @ b).reshape(-1, 3)
            light = fit_light(colour, normals, np.exp(log_albedo), np.ones(len(colour))).light
            shading = np.maximum(phi @ light, _LEAST_SHADING * (phi @ light).mean(0))
            target = np.log(np.maximum(colour, 2e-3)) - np.log(shading) - m
            off = np.abs(target - (z @ b).reshape(-1, 3)).mean(1)
            say = np.repeat(1 / (1 + (off / 0.25) ** 2), 3) / _NOISE**2
            z = np.linalg.solve((b * say) @ b.T + np.eye(len(b)), (b * say) @ target.ravel())
        rendered = np.exp(m + (z @ b).reshape(-1, 3)) * shading
        apart = lab_from_linear(np.clip(rendered, 0, 1)) - lab_from_linear(np.clip(colour, 0, 1))
        errors[n] = np.linalg.norm(apart, axis=1).mean()
        coefficients[n] = z
    return Explained(errors, coefficients)


def by_tone(delta_e: Array, tones: Sequence[int]) -> dict[str, Any]:
    """Means by label and the worst over the best; labels 1 and 2 are counted together.

    Args:
        delta_e: (N,).
        tones: N labels 1 to 6.
    """
    labels = np.maximum(np.asarray(tones), 2)
    means = {int(t): float(delta_e[labels == t].mean()) for t in np.unique(labels)}
    return {
        "delta_e": {str(t): round(v, 2) for t, v in means.items()},
        "photos": {str(t): int((labels == t).sum()) for t in means},
        "all": round(float(delta_e.mean()), 2),
        "worst_to_best": round(max(means.values()) / min(means.values()), 3),
    }


def main(arguments: list[str] | None = None) -> int:
    """Print, as JSON, the colour differences of the held-out photographs by tone."""
    from ....morphable.loaders.wholeface import SHIPPED_ASSET, read_asset
    from .stage import held_out_of

    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.modelling.albedo.explained", description=main.__doc__
    )
    parser.add_argument("--source", type=Path, default=Path("../shared/data"), help="source material")
    parser.add_argument("--model", type=Path, default=SHIPPED_ASSET, help="model file")
    options = parser.parse_args(arguments)
    model = read_asset(options.model)
    photos, tones, zone, skin = held_out_of(model, options.source)
    assert model.albedo is not None
    found = explain(*zone_statistics(model.albedo, zone), photos, skin)
    report = by_tone(found.delta_e, tones)
    print(json.dumps(report | {"each": dict(zip(photos.names, found.delta_e.round(2).tolist()))}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
