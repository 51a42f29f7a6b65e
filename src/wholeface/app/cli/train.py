"""``wholeface train``: run a recipe."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import UsageError
from ._words import path_of

if TYPE_CHECKING:
    from ...lab.train import Listener

_DESCRIPTION = """\
Train a network. The folder OUT receives:

  last.safetensors   the checkpoint: networks, running averages, optimisers, step (no pickle); to resume or to export
  train.csv          step, seconds, samples/s, learning rate, losses
  validation.csv     step, seconds, scores on held-out samples
  pictures/          what the network does with some held-out samples, one image per validation
  tensorboard/       the same for TensorBoard, where it is installed
"""

_EPILOG = """\
examples:
  wholeface train --list
  wholeface train landmarks --list
  wholeface train landmarks --set batch_size=32 --minutes 40 --threads 2
  wholeface train landmarks --out runs/landmarks --resume
  torchrun --nproc-per-node 4 -m wholeface.app.cli train landmarks --devices 4

Ctrl-C writes a checkpoint and stops; --resume then ends as if nothing had happened.

exit code: 0 finished or paused, 2 stopped by an error, 130 interrupted
"""


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e7:
        raise argparse.ArgumentTypeError(f"{text!r}: a number above 0, e.g. 30")
    return value


def _count(text: str) -> int:
    if not text.replace("_", "").isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1, e.g. 2")
    return int(text)


def _workers(text: str) -> int:
    return 0 if text == "0" else _count(text)


def add_train_parser(commands: Any) -> None:
    """Add ``train`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "train",
        help="train a network by one of the recipes",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", nargs="?", metavar="RECIPE", help="name of a recipe, or a recipe file")
    parser.add_argument(
        "--list", action="store_true", help="list the recipes, or the settings of RECIPE, and stop"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="KEY=VALUE",
        help="change a setting of the recipe (again and again)",
    )
    parser.add_argument("--out", "-o", type=path_of, metavar="DIR", help="folder of the run (runs/RECIPE)")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint in OUT, with its settings (--set changes them); start where there is none",
    )
    parser.add_argument(
        "--minutes",
        type=_positive,
        metavar="M",
        help="wall-clock budget of the whole run: the schedule, the last validation and the checkpoint fit into it; "
        "with --resume as before unless given",
    )
    parser.add_argument(
        "--pause-after",
        type=_positive,
        metavar="M",
        help="stop this session after M minutes with a checkpoint, wherever the schedule stands",
    )
    parser.add_argument("--steps", type=_count, metavar="N", help="the same as --set steps=N")
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="where to compute (default: auto)"
    )
    parser.add_argument(
        "--precision",
        choices=("32", "bf16-mixed", "16-mixed"),
        default="32",
        help="of the arithmetic (default: 32)",
    )
    parser.add_argument(
        "--devices", type=_count, default=1, metavar="N", help="number of devices (default: 1)"
    )
    parser.add_argument("--threads", type=_count, metavar="N", help="CPU threads of the network")
    parser.add_argument(
        "--workers",
        type=_workers,
        default=0,
        metavar="N",
        help="processes that prepare samples; results do not depend on it (default: 0, the training process)",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from ...lab.train import describe_settings, load_recipe, recipe_names

    if options.recipe is None:
        if not options.list:
            raise UsageError("say which recipe to train; `wholeface train --list` lists them")
        for name in recipe_names():
            print(f"{name:12} {load_recipe(name).summary}")
        return 0
    recipe = load_recipe(options.recipe)
    if options.list:
        print(f"{recipe.name}: {recipe.summary}")
        for line in describe_settings(recipe.config()):
            print(f"  {line}")
        return 0
    return _train(recipe, options)


def _train(recipe: Any, options: argparse.Namespace) -> int:
    try:
        import lightning_fabric  # noqa: F401
    except ImportError as error:
        raise UsageError("training needs lightning-fabric: pip install 'wholeface[train]'") from error
    from ...lab.train import EngineOptions, load_checkpoint, parse_settings, train
    from ...lab.train.engine.loop import CHECKPOINT_NAME
    from ...lab.train.settings import settings_from_json

    folder = options.out or Path("runs") / recipe.name
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; give a folder with --out")
    config = recipe.config()
    last = folder / CHECKPOINT_NAME
    if options.resume and last.exists():
        checkpoint = load_checkpoint(last)
        if checkpoint.recipe == recipe.name:  # otherwise the engine refuses it
            config = settings_from_json(recipe.config, checkpoint.settings)
    steps = [] if options.steps is None else [f"steps={options.steps}"]
    config = parse_settings(config, [*options.settings, *steps])
    outcome = train(
        recipe,
        config,
        folder,
        options=EngineOptions(
            options.device, options.precision, options.devices, options.threads, options.workers
        ),
        resume=options.resume,
        minutes=options.minutes,
        pause_after=options.pause_after,
        listener=_listener(),
    )
    return 130 if outcome.status == "interrupted" else 0


def _scores(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())


def _listener() -> Listener:
    """Prints a line per validation, and on a terminal a line that changes with the steps."""
    import time

    from ...lab.train import Listener, Outcome
    from ...lab.train.engine.watch import SeenStep

    words = {"interrupted": "interrupted; go on with --resume", "paused": "paused; go on with --resume"}

    class Printer(Listener):
        def __init__(self) -> None:
            self.steps = 0
            self.shown = 0.0
            self.live = sys.stderr.isatty()

        def begun(self, step: int, steps: int, folder: Path) -> None:
            self.steps = steps
            print(f"{'going on at' if step else 'from'} step {step} of {steps}, in {folder}", flush=True)

        def stepped(self, seen: SeenStep) -> None:
            if self.live and time.monotonic() - self.shown > 0.5:
                self.shown = time.monotonic()
                losses = "  ".join(f"{name} {value:.4g}" for name, value in seen.losses.items())
                rates = ", ".join(f"{rate:.3g}" for rate in seen.rates.values())
                line = f"step {seen.step}  {seen.progress:.1%}  {losses}  rate {rates}"
                print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)

        def validated(self, step: int, seconds: float, metrics: dict[str, float]) -> None:
            if self.live:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
            print(f"step {step:7}  {seconds / 60:6.1f} min  {_scores(metrics)}", flush=True)

        def ended(self, outcome: Outcome) -> None:
            status = words.get(outcome.status, outcome.status)
            minutes = outcome.seconds / 60
            print(f"{status}: step {outcome.step}, {minutes:.1f} min, {_scores(outcome.metrics)}")
            print(outcome.checkpoint, flush=True)

    return Printer()
