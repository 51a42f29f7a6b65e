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
from torch import Tensor

from ...core.errors import UsageError
from ...networks import STORAGES, ReliefNet, build_network, load_weights, save_weights
from ...networks.relief_net import trusted_relief
from ...stages.relief import network_input
from ..data.relief import ReliefStore

__all__ = ["ReliefTrust", "main", "measured_trust"]

_NOISES = (0.0, 0.03, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0)
_MOST_GAIN = 1.5


@dataclass(frozen=True)
class ReliefTrust:
    """What was measured.

    Args:
        gain: g of :func:`wholeface.networks.relief_net.trusted_relief`.
        noise: c of the same.
        error: mean squared error of the relief's gradient with them, over that of no relief.
        untrusted: the same without them (g = 1, c = 0).
    """

    gain: float
    noise: float
    error: float
    untrusted: float


@torch.no_grad()
def measured_trust(network: ReliefNet, store: ReliefStore, count: int = 150) -> ReliefTrust:
    r"""The gain and noise with which the relief's gradients, and with them the normals, are least wrong.

    For each noise :math:`c` the best gain is that of least squares over all visible skin of known truth,

    .. math:: g = \frac{\sum \nabla s_c \cdot \nabla \Delta}{\sum |\nabla s_c|^2}

    with the displacement :math:`s_c` shrunk with gain 1, and the truth :math:`\Delta`.

    Args:
        network: in evaluation mode.
        store: samples of subjects that it never saw.
        count: samples at most.

    Raises:
        UsageError: the store shows no relief.
    """
    sums = np.zeros((len(_NOISES), 2))
    truth_power = 0.0
    for index in np.unique(np.linspace(0, len(store) - 1, min(count, len(store))).astype(int)):
        sample = store[int(index)]
        maps = {name: values[None] for name, values in sample.given.maps().items()}
        given = torch.from_numpy(network_input(maps)).contiguous(memory_format=torch.channels_last)
        output = network.read(network(given))
        weight = torch.from_numpy(sample.weight > 127)
        truth = _steps(torch.from_numpy(sample.displacement.astype(np.float32)), weight)
        truth_power += float(truth.square().sum())
        for row, noise in enumerate(_NOISES):
            found = _steps(trusted_relief(output, 1.0, noise)[0, 0], weight)
            sums[row] += float((found * truth).sum()), float(found.square().sum())
    if truth_power <= 0 or sums[:, 1].min() <= 0:
        raise UsageError(f"{store.folder} shows no relief, or the network finds none")
    gains = np.clip(sums[:, 0] / sums[:, 1], 0, _MOST_GAIN)
    errors = (truth_power - 2 * gains * sums[:, 0] + gains**2 * sums[:, 1]) / truth_power
    best = int(errors.argmin())
    untrusted = (truth_power - 2 * sums[0, 0] + sums[0, 1]) / truth_power
    return ReliefTrust(float(gains[best]), _NOISES[best], float(errors[best]), float(untrusted))


def _steps(height: Tensor, weight: Tensor) -> Tensor:
    """Differences of neighbours that both count, along rows and columns."""
    down = (height[1:] - height[:-1])[weight[1:] & weight[:-1]]
    right = (height[:, 1:] - height[:, :-1])[weight[:, 1:] & weight[:, :-1]]
    return torch.cat([down, right])


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
        "--dtype", choices=STORAGES, default="int8", help="how numbers are kept (default: int8)"
    )
    options = parser.parse_args(arguments)
    tensors, card = load_weights(options.weights)
    network = build_network(card, tensors, options.weights)
    assert isinstance(network, ReliefNet)
    found = measured_trust(network, ReliefStore(options.store, seed=2), options.count)
    config = {**card.architecture_config, "trust": [round(found.gain, 4), found.noise]}
    scores = {
        **card.scores,
        "gradient_error_trusted": found.error,
        "gradient_error_untrusted": found.untrusted,
    }
    save_weights(
        options.out, tensors, replace(card, architecture_config=config, scores=scores), storage=options.dtype
    )
    print(f"{options.out}: {found}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
