"""``wholeface info``: what is installed, what it was learned from, what it must not be used for."""

from __future__ import annotations

import argparse
from typing import Any

from ... import __version__


def add_info_parser(commands: Any) -> None:
    """Add ``info`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "info", help="version, face model, sources and licences", description="Say what is installed."
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    import numpy
    import torch

    from ...morphable import load_model
    from ...networks.registry import METHOD_NETWORKS, NETWORKS

    model = load_model()
    print(f"wholeface {__version__}  (torch {torch.__version__}, numpy {numpy.__version__})")
    print(f"devices: cpu{', cuda' if torch.cuda.is_available() else ''}")
    print(
        f"face model {model.name} {model.version}: {model.vertex_count} vertices, "
        f"{model.triangles.shape[0]} triangles, {model.identity_size} identity, "
        f"{model.expression_size} expression and {model.albedo_size} albedo modes"
    )
    for name in (*NETWORKS, *METHOD_NETWORKS):
        print(f"{name} network: {_network(name)}")
    print("faces are found by wholeface's own networks, unless --detector names another")
    print(
        "learned from ICT-FaceKit (MIT), MakeHuman's heads (CC0), portraits of the US Congress (public domain), "
        "computer-made and stock portraits (CC0) and the VALID avatars (MIT);"
    )
    print("see NOTICE and docs/model-card.md for licences, and for whom the data under-represent")
    print("not for identifying or unmasking people: the hidden part of a face is an estimate")
    return 0


def _network(name: str) -> str:
    """Version, size and hash of a shipped network."""
    from ...networks.registry import has_weights, read_card, weights_file

    if not has_weights(name):
        return "not shipped with this version"
    path = weights_file(name)
    card = read_card(name, path)
    return f"{card.version}, {path.stat().st_size / 2**20:.1f} MiB {card.storage}, SHA-256 {card.sha256[:16]}"
