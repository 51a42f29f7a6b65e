"""How far to believe a relief network: the gain and the noise of its Wiener filter, measured on samples it never saw.

python -m wholeface.lab.train.relief_trust relief.safetensors STORE -o relief.safetensors
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UsageError
from ...networks import STORAGES, ReliefNet, build_network, load_weights, save_weights
from ...networks.relief_net import trusted_relief
from ...stages.relief import network_input
from ..data.relief import ReliefStore

__all__ = ["ReliefTrust", "main", "measured_trust"]

_NOISES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2, 2.0)
_GAINS = tuple(round(0.3 + 0.1 * step, 1) for step in range(13))
_LEAST = 200  # pixels
_SEEN = 127  # of 255
_INNER = slice(1, -1)
_HARMLESS = 0.99  # of the mean error without relief: other faces than these must not be harmed either

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ReliefTrust:
    """What was measured; errors are those of the relief's gradient over those of no relief, 1 = nothing gained.

    Args:
        gain: g of :func:`wholeface.networks.relief_net.trusted_relief`.
        noise: c of the same.
        mean: mean length of the gradient's error, to which the mean angle between normals is proportional.
        square: mean square of it, which steep folds decide.
        untrusted: both, of the network's displacement as it is.
    """

    gain: float
    noise: float
    mean: float
    square: float
    untrusted: tuple[float, float]


@torch.no_grad()
def measured_trust(
    network: ReliefNet,
    store: ReliefStore,
    count: int = 150,
    *,
    gains: Sequence[float] = _GAINS,
    noises: Sequence[float] = _NOISES,
) -> ReliefTrust:
    """The gain and noise that make steep folds most like the truth without harm to the normals of all the skin.

    Of those whose mean error of the gradient is below that without relief, by a hundredth at least, the pair with the
    smallest mean square; where there is none, the pair with the smallest mean error.

    Args:
        network: in evaluation mode.
        store: samples of subjects that it never saw.
        count: samples at most.
        gains, noises: to choose from; one of each measures what was chosen elsewhere.

    Raises:
        UsageError: the store shows no relief.
    """
    means, squares, power = [], [], []
    for index in np.unique(np.linspace(0, len(store) - 1, min(count, len(store))).astype(int)):
        sample = store[int(index)]
        maps = {name: values[None] for name, values in sample.given.maps().items()}
        given = torch.from_numpy(network_input(maps)).contiguous(memory_format=torch.channels_last)
        output = network.read(network(given))
        weight = torch.from_numpy(sample.weight > _SEEN)
        if int(weight.sum()) < _LEAST:
            continue
        truth = _gradient(torch.from_numpy(sample.displacement.astype(np.float32)), weight)
        found = [_gradient(trusted_relief(output, 1.0, noise)[0, 0], weight) for noise in noises]
        plain = _gradient(trusted_relief(output, 1.0, 0.0)[0, 0], weight)
        table = [(gain * slope - truth).norm(dim=0) for slope in found for gain in gains]
        table.append((plain - truth).norm(dim=0))
        means.append([float(error.mean()) for error in table])
        squares.append([float(error.square().mean()) for error in table])
        power.append([float(truth.norm(dim=0).mean()), float(truth.square().sum(dim=0).mean())])
    if not power or np.sum(power) <= 0:
        raise UsageError(f"{store.folder} shows no relief")
    without: Array = np.mean(power, axis=0)
    mean: Array = np.mean(means, axis=0) / without[0]
    square: Array = np.mean(squares, axis=0) / without[1]
    harmless = mean[:-1] <= _HARMLESS
    best = int((np.where(harmless, square[:-1], np.inf) if harmless.any() else mean[:-1]).argmin())
    row, column = divmod(best, len(gains))
    return ReliefTrust(
        gains[column],
        noises[row],
        float(mean[best]),
        float(square[best]),
        (float(mean[-1]), float(square[-1])),
    )


def _gradient(height: Tensor, weight: Tensor) -> Tensor:
    """(2, P) central differences along rows and columns where all pixels of the cross count."""
    before, after = slice(None, -2), slice(2, None)
    up, down, left, right = (before, _INNER), (after, _INNER), (_INNER, before), (_INNER, after)
    whole = weight[_INNER, _INNER] & weight[up] & weight[down] & weight[left] & weight[right]
    return torch.stack([(height[down] - height[up])[whole] / 2, (height[right] - height[left])[whole] / 2])


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wholeface.lab.train.relief_trust", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "weights", type=Path, help="exported weights of a relief network, their card beside them"
    )
    parser.add_argument("store", type=Path, help="samples of subjects that it never saw")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, help="where to write the weights with the card"
    )
    parser.add_argument("--count", type=int, default=150, help="samples at most (default: 150)")
    parser.add_argument(
        "--gain", type=float, nargs="+", default=_GAINS, metavar="G", help="gains to choose from"
    )
    parser.add_argument(
        "--noise", type=float, nargs="+", default=_NOISES, metavar="C", help="noises to choose from"
    )
    parser.add_argument(
        "--dtype", choices=STORAGES, default="int8", help="how numbers are kept (default: int8)"
    )
    options = parser.parse_args(arguments)
    tensors, card = load_weights(options.weights)
    network = build_network(card, tensors, options.weights)
    assert isinstance(network, ReliefNet)
    store = ReliefStore(options.store, versions=2, seed=1)
    found = measured_trust(network, store, options.count, gains=options.gain, noises=options.noise)
    config = {**card.architecture_config, "trust": [found.gain, found.noise]}
    scores = {
        **card.scores,
        "trusted_gradient": found.mean, "trusted_gradient_square": found.square,
        "untrusted_gradient": found.untrusted[0], "untrusted_gradient_square": found.untrusted[1],
    }  # fmt: skip
    save_weights(
        options.out, tensors, replace(card, architecture_config=config, scores=scores), storage=options.dtype
    )
    print(f"{options.out}: {found}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
