"""How the landmark network errs on images that it never saw: what each point errs by itself, what all err together.

python -m wholeface.lab.train.calibrate landmarks.safetensors STORE -o landmarks_noise.safetensors
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...networks import LandmarkNet, LandmarkNetConfig
from ...networks.weights import WeightCard, load_weights, save_weights
from ...perceive.frames import DENSE_478, LANDMARK_MARGIN
from ...perceive.landmark_network import LandmarkCalibration, mean_of_mirrored
from ..data.stores.fields import KNOWN
from ..data.stores.shared import SharedStore
from .transforms.crops import CropJitter, crop_images, crop_matrices, move_points

__all__ = ["calibration_of", "main", "normalised_errors"]

_JITTER = CropJitter(0.04, 0.02, 0.04, 0.0, 0.0)  # how far the second look misses
_FARTHEST = 5.0  # sigma; what errs by more is a blunder, which the robust fit copes with


@torch.no_grad()
def normalised_errors(
    network: LandmarkNet, store: SharedStore, *, batch: int = 100, seed: int = 0
) -> NDArray[np.float32]:
    """Errors over the network's own sigma on all rendered samples of a store, half of them without occluders.

    As in use, the network looks at each crop and at its mirror image.

    Returns:
        (N, L, 2), along x and y of the upright crop.
    """
    size, found = network.config.input_size, []
    for start in range(0, len(store), batch):
        rows = [store[i] for i in range(start, min(start + batch, len(store)))]
        rows = [row for row in rows if row["known"][KNOWN.index("geometry")]]
        if not rows:
            continue
        rng = np.random.default_rng([seed, start])
        bare = rng.random(len(rows)) < 0.5
        points = np.stack([np.concatenate([row["landmarks_68"], row["dense"]]) for row in rows])
        matrices, _ = crop_matrices(points[:, DENSE_478], size, LANDMARK_MARGIN, rng, _JITTER)
        images = crop_images([r["clean"] if b else r["image"] for r, b in zip(rows, bare)], matrices, size)
        both = torch.stack([network(images), network(images.flip(3))], dim=1).numpy()
        raw = np.stack([mean_of_mirrored(pair, network.config.identity)[0] for pair in both])
        output = network.read(torch.from_numpy(raw))
        off = output.points - move_points(torch.from_numpy(points), matrices)
        found.append((off / output.log_sigma.exp()[..., None]).numpy())
    if not found:
        raise UsageError("the store holds no rendered samples, whose landmarks are exact")
    return np.concatenate(found)


def calibration_of(errors: NDArray[np.float32], modes: int = 24) -> LandmarkCalibration:
    r"""Split the covariance of normalised errors into common modes and each point's own part.

    .. math:: \mathrm{cov}(e) ≈ \sum_q m_q m_q^T + \mathrm{diag}(o^2)

    by principal factors: the diagonal is alternately taken from what the modes leave.

    Args:
        errors: (N, L, 2).
        modes: number of common modes, fewer than N.

    Source: principal factor analysis, e.g. Harman 1976, "Modern factor analysis".
    """
    count, points = errors.shape[:2]
    if count <= modes:
        raise UsageError(f"{modes} modes need more than {count} samples")
    flat = np.clip(errors, -_FARTHEST, _FARTHEST).reshape(count, -1).astype(np.float64)
    variance = (flat**2).mean(axis=0)
    # The modes lie in the span of the samples; work there when they are fewer than the coordinates.
    covariance = flat.T @ flat / count
    own = 0.5 * variance
    common = np.zeros((modes, flat.shape[1]))
    for _ in range(12):
        reduced = covariance - np.diag(own)
        values, vectors = np.linalg.eigh(reduced)
        strongest = np.argsort(values)[::-1][:modes]
        common = (vectors[:, strongest] * np.sqrt(np.maximum(values[strongest], 0.0))).T
        own = np.clip(variance - (common**2).sum(axis=0), 0.02 * variance, None)
    return LandmarkCalibration(own=np.sqrt(own).reshape(points, 2), modes=common.reshape(modes, points, 2))


def main(words: list[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--modes", type=int, default=24)
    options = parser.parse_args(words)
    tensors, card = load_weights(options.weights)
    network = LandmarkNet(LandmarkNetConfig(**card.architecture_config))
    network.load_state_dict(tensors)
    errors = normalised_errors(network.eval(), SharedStore((options.store,)))
    calibration = calibration_of(errors, options.modes)
    save_weights(
        options.out,
        {
            "own": torch.from_numpy(calibration.own).half(),
            "modes": torch.from_numpy(calibration.modes).half(),
        },
        WeightCard(
            name="landmarks_noise",
            version=card.version,
            description="Errors of the landmark network on renderings that it never saw, in units of its sigma.",
            licence=card.licence,
            sources=card.sources,
            notes={"samples": len(errors), "weights_sha256": card.sha256},
            scores={
                "rms_over_sigma": float(np.sqrt((errors**2).mean())),
                "own_share": float(
                    (calibration.own**2).mean() / (errors.clip(-_FARTHEST, _FARTHEST) ** 2).mean()
                ),
            },
        ),
    )
    print(f"{options.out}: {len(errors)} samples, rms {np.sqrt((errors**2).mean()):.2f} sigma")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
