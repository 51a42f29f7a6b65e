"""``wholeface info``: what is installed, what it was learned from, what it must not be used for."""

from __future__ import annotations

import argparse
from typing import Any

from .. import __version__


def add_info_parser(commands: Any) -> None:
    """Add ``info`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "info", help="version, face model, sources and licences", description="Say what is installed."
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import numpy
    import torch

    from ..morphable import load_model

    model = load_model()
    print(f"wholeface {__version__}  (torch {torch.__version__}, numpy {numpy.__version__})")
    print(f"devices: cpu{', cuda' if torch.cuda.is_available() else ''}")
    print(
        f"face model {model.name} {model.version}: {model.vertex_count} vertices, "
        f"{model.triangles.shape[0]} triangles, {model.identity_size} identity, "
        f"{model.expression_size} expression and {model.albedo_size} albedo modes"
    )
    print(
        "learned from ICT-FaceKit (MIT), portraits of the US Congress (public domain) "
        "and the VALID avatars (MIT);"
    )
    print("see NOTICE and docs/model-card.md for licences, and for whom the data under-represent")
    print("not for identifying or unmasking people: the hidden part of a face is an estimate")
    return 0
