"""``python -m wholeface.lab.train.mix FIRST SECOND -o OUT --share 0.5``: weights between two of one network.

A network that was trained on with harder samples reads them better and the usual ones worse. Weights between those
before and after often read both as well as either, without the cost of two networks.

Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", CVPR.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...core.errors import UsageError, WholeFaceError
from ...networks.quantise import Storage
from ...networks.weights import WeightCard, load_weights, save_weights

__all__ = ["main", "mix_weights"]


def mix_weights(
    first: Path, second: Path, target: Path, share: float = 0.5, *, storage: Storage = "fp16"
) -> WeightCard:
    """Write (1 − share) · first + share · second, with the second one's card.

    The second must descend from the first: weights of runs that began apart have nothing between them.

    Args:
        first: weights before the training.
        second: weights after it.
        target: ``….safetensors``.
        share: of the second, in [0, 1].
        storage: how the numbers are kept.

    Returns:
        The card as written; the scores, which were of the second, are left out.

    Raises:
        UsageError: another share, or weights of two networks.
        ModelFileError: a file cannot be read.
    """
    if not 0.0 <= share <= 1.0:
        raise UsageError(f"share {share}: must lie between 0 and 1")
    (before, card_before), (after, card) = load_weights(first), load_weights(second)
    shapes = [{name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (before, after)]
    if shapes[0] != shapes[1] or card_before.architecture != card.architecture:
        raise UsageError(f"{first} and {second} hold weights of different networks")
    mixed = {
        name: (1 - share) * tensor + share * after[name] if tensor.is_floating_point() else after[name]
        for name, tensor in before.items()
    }
    notes = {key: value for key, value in card.notes.items() if key != "scores_of"}
    notes["mixed"] = {
        "share": share,
        "with_sha256": card_before.sha256,
        "with_version": card_before.version,
        "source": "Wortsman et al. 2022",
    }
    return save_weights(target, mixed, replace(card, scores={}, notes=notes), storage=storage)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.train.mix", description=__doc__)
    parser.add_argument("first", type=Path, metavar="FIRST", help="weights before the training")
    parser.add_argument("second", type=Path, metavar="SECOND", help="weights after it")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="….safetensors")
    parser.add_argument("--share", type=float, default=0.5, help="of the second (default: 0.5)")
    options = parser.parse_args(arguments)
    try:
        card = mix_weights(options.first, options.second, options.out, options.share)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.out}: {card.name} {card.version}, SHA-256 {card.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
