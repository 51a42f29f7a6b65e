"""``wholeface bench NAME`` for the protocols of the field: common options, and each protocol's own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ._words import path_of

__all__ = ["PROTOCOL_HELP", "LazyParser", "add_protocols"]

PROTOCOL_HELP = {
    "now": "NoW: scan-to-mesh distance after alignment, per challenge",
    "florence": "MICC Florence as in Zhao & Qi: the 90 % largest errors, heat maps, named occluders",
    "rendered": "held-out rendered subjects, clean and occluded: whole, seen and hidden part of the face",
    "segmentation": "masks of the visible face and colour error on it, as in Li et al.",
    "landmarks": "NME, failures and AUC of 68 landmarks: 300-W, WFLW, or rendered faces",
    "distillation": "landmarks and coefficients of the clean and the occluded version of a photo",
    "consistency": "how far a head moves, in mm, as occluders grow over a clean photo",
    "verification": "are two photos the same person: LFW protocol on identity coefficients",
    "identity": "spread between subjects over spread within, and the best factor on the identity",
    "likeness": "is a person still recognised in the head that was made of an occluded photo",
    "same-person": "what several photos of one person are worth, in one fit",
    "scaling": "speed and memory of each stage: cold, warm, 1 and 32 photos, 1 and 2 threads",
    "occluders": "occluder masks against hand-drawn ones",
    "deocclusion": "how well what hides a face is taken away: PSNR, SSIM, colour and identity in the hole",
    "shrinkage": "does the fitted identity beat the mean face, and at what factor",
    "texture": "colours of hidden parts: fitted model, completion, graph-convolutional refinement",
    "relief": "wrinkles and folds: found in visible skin, filled behind occluders, and whose they are",
    "perception": "detector, landmarks, fitted shape, parsing, masks and speed of the networks, beside mediapipe",
    "speed": "time and memory of each stage, end to end, on this machine",
    "render": "rasteriser, shading and the differentiable chain",
}
"""What ``wholeface bench --help`` says of each protocol, known without importing any."""


class LazyParser(argparse.ArgumentParser):
    """A parser that adds some of its options when it is first used, so that others need not pay for them."""

    lazy: Callable[[argparse.ArgumentParser], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As its parent's, after the late options were added."""
        if self.lazy is not None:
            add, self.lazy = self.lazy, None
            add(self)
        return super().parse_known_args(args, namespace)


def add_protocols(protocols: Any) -> None:
    """Add a subcommand for each protocol; its module is imported when the subcommand is used.

    Args:
        protocols: subparsers of class :class:`LazyParser`.
    """
    for name, text in PROTOCOL_HELP.items():
        # argparse fills in the %-signs of help, not those of a description.
        words = {"help": text.replace("%", "%%"), "description": f"{text[0].upper()}{text[1:]}."}
        parser = protocols.add_parser(name, **words)
        parser.add_argument(
            "--data",
            type=path_of,
            metavar="DIR",
            help="folder of the data set (default: the protocol's own small set)",
        )
        parser.add_argument(
            "--systems",
            default="mean face,wholeface",
            metavar="LIST",
            help="between commas (default: %(default)s); also: wholeface landmarks, analysis, parsing_guided, "
            "eyeglasses, mediapipe, eos=SHARE_FOLDER, folder:NAME=PATH with the results of DECA, Deep3DFaceRecon, "
            "3DDFA, SMIRK, MICA or FOCUS, MODULE:NAME",
        )
        parser.add_argument("--quick", action="store_true", help="about 20 seconds on two cores")
        parser.add_argument("--count", type=int, metavar="N", help="items at most")
        parser.add_argument(
            "--seed", type=int, default=0, metavar="N", help="of everything random (default: 0)"
        )
        parser.add_argument(
            "--split",
            choices=("test", "validation"),
            default="test",
            help="subjects and occluders of drawn sets: test for reports (default), validation for choosing settings",
        )
        parser.add_argument("--json", type=path_of, metavar="FILE", help="also write every number as JSON")
        parser.add_argument(
            "-o", "--out", type=path_of, metavar="DIR", help="also write images and further files there"
        )
        parser.lazy = _Own(name)
        parser.set_defaults(run=_run, own_options=())


class _Own:
    """Adds a protocol's own options."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, parser: argparse.ArgumentParser) -> None:
        from ...lab.bench.protocol import load_protocol

        try:
            protocol = load_protocol(self.name)
            before = {action.dest for action in parser._actions}
            if protocol.add_arguments is not None:
                protocol.add_arguments(parser)
        except (ImportError, AttributeError, AssertionError, argparse.ArgumentError) as error:
            parser.exit(
                2,
                f"wholeface: the protocol {self.name!r} cannot be loaded: {error or type(error).__name__}\n",
            )
        own = [action.dest for action in parser._actions if action.dest not in before]
        parser.set_defaults(own_options=tuple(own))
        if protocol.source:
            parser.epilog = f"After {protocol.source}"


def _run(options: argparse.Namespace) -> int:
    from ...lab.bench.protocol import RunOptions, load_protocol
    from ...lab.bench.report.outputs import printed, run_protocol, write_json, write_outputs
    from ...lab.bench.systems import split_names

    settings = RunOptions(
        systems=tuple(split_names(options.systems)),
        data=options.data,
        quick=options.quick,
        count=options.count,
        seed=options.seed,
        split=options.split,
    )
    own = {name: getattr(options, name) for name in options.own_options}
    outcome = run_protocol(load_protocol(options.protocol), settings, own)
    print(printed(outcome), flush=True)
    if options.json is not None:
        write_json(options.json, outcome.record)
    written: Sequence[Path] = () if options.out is None else write_outputs(outcome.report, options.out)
    if options.json is not None:
        print(f"\nwritten: {options.json}", file=sys.stderr)
    if written:
        print(f"written: {', '.join(file.name for file in written)} in {options.out}", file=sys.stderr)
    elif options.out is None and (outcome.report.images or outcome.report.files):
        count = len(outcome.report.images) + len(outcome.report.files)
        print(f"{count} images and files were made; --out DIR writes them", file=sys.stderr)
    print(f"{outcome.seconds:.0f} s", file=sys.stderr)
    return 0
