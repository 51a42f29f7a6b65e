"""``wholeface weights``: export a checkpoint, show a weight card, verify weight files, write ONNX models."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import ModelFileError, UsageError, WholeFaceError
from ._terminal import say
from ._words import path_of

if TYPE_CHECKING:
    from ...networks.weights import WeightCard


def add_weights_parser(commands: Any) -> None:
    """Add ``weights`` and its actions to the subparsers ``commands``."""
    parser = commands.add_parser(
        "weights",
        help="export, show and verify weight files, write ONNX models",
        description="Weight files: tensors in NAME.safetensors, and what they are in the card NAME.json beside it.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    export = actions.add_parser("export", help="from a checkpoint to a weight file with its card")
    export.add_argument(
        "checkpoint", type=path_of, metavar="CHECKPOINT", help="last.safetensors, or its folder"
    )
    export.add_argument("-o", "--out", type=path_of, required=True, metavar="NAME.safetensors")
    export.add_argument(
        "--dtype",
        choices=("fp16", "int8", "fp32"),
        default="fp16",
        help="how numbers are kept; int8 has a scale per output channel (default: fp16)",
    )
    export.add_argument("--name", help="of the weights (default: the recipe's)")
    export.add_argument("--version", help="of the weights (default: the package's and the step)")
    export.add_argument("--network", metavar="NAME", help="which network of the run, where it has several")
    export.add_argument("--last", action="store_true", help="the last weights, not their running average")
    export.set_defaults(run=_export)

    show = actions.add_parser("show", help="what a weight file is")
    show.add_argument("file", type=path_of, metavar="FILE", help="the .safetensors file or its card")
    show.add_argument("--json", action="store_true", help="the card as JSON")
    show.set_defaults(run=_show)

    verify = actions.add_parser(
        "verify", help="hashes, formats, numbers; exit code 0 when all are whole, 1 when some, 2 when none is"
    )
    verify.add_argument("files", nargs="+", type=path_of, metavar="FILE", help=".safetensors files")
    verify.set_defaults(run=_verify)

    onnx = actions.add_parser("onnx", help="a network as an ONNX model, for ONNX Runtime and other programs")
    onnx.add_argument("file", type=path_of, metavar="FILE", help="the .safetensors file of a network")
    onnx.add_argument(
        "-o",
        "--out",
        type=path_of,
        metavar="NAME.onnx",
        help="default: beside FILE, where --backend onnx finds it",
    )
    onnx.set_defaults(run=_onnx)


def _export(options: argparse.Namespace) -> int:
    from ...lab.train.engine.loop import CHECKPOINT_NAME
    from ...lab.train.export import export_weights

    source = options.checkpoint / CHECKPOINT_NAME if options.checkpoint.is_dir() else options.checkpoint
    card = export_weights(
        source,
        options.out,
        storage=options.dtype,
        name=options.name,
        version=options.version,
        average=not options.last,
        network=options.network,
    )
    size = options.out.stat().st_size
    print(f"{options.out}  {size / 2**20:.2f} MiB, {card.storage}, SHA-256 {card.sha256}")
    if not card.notes["finished"]:
        print("note: the run that this checkpoint belongs to has not come to its end")
    return 0


def _show(options: argparse.Namespace) -> int:
    import dataclasses
    import json

    from ...networks.weights import load_card

    model = _face_model_card(options.file)
    if model is not None:
        print(json.dumps(model, indent=2, ensure_ascii=False) if options.json else _summary(model))
        return 0
    card = load_card(options.file)
    if options.json:
        print(json.dumps(dataclasses.asdict(card), indent=2, ensure_ascii=False))
        return 0
    for field in dataclasses.fields(card):
        value = getattr(card, field.name)
        if isinstance(value, Mapping):
            value = ", ".join(f"{name}={_short(item)}" for name, item in value.items())
        elif isinstance(value, tuple):
            value = "; ".join(value)
        if value:
            print(f"{field.name.replace('_', ' '):20} {value}")
    return 0


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _verify(options: argparse.Namespace) -> int:
    from ...networks.weights import load_weights

    good = 0
    for path in options.files:
        try:
            model = _face_model_card(path)
            if model is not None:
                from ...morphable import load_model

                load_model(path)  # refuses what does not have the card's hash
                print(
                    f"{path}  whole: face model {model['name']} {model['version']}, SHA-256 {model['sha256']}"
                )
                good += 1
                continue
            tensors, card = load_weights(path)
            checked = _check(path, tensors, card)
        except WholeFaceError as error:
            say(f"wholeface: {error}", sys.stderr)
            continue
        good += 1
        print(f"{path}  whole: {card.name} {card.version}, {checked}, SHA-256 {card.sha256}")
    return 0 if good == len(options.files) else 1 if good else 2


def _face_model_card(file: Path) -> dict[str, Any] | None:
    """The card of a face model, which is another one than a network's; None where ``file`` has none."""
    import json

    from ...networks.weights import card_path

    try:
        card = json.loads((file if file.suffix == ".json" else card_path(file)).read_text())
    except (OSError, ValueError):
        return None
    is_model = isinstance(card, dict) and str(card.get("format", "")).startswith("wholeface-face-model-")
    return card if is_model else None


def _summary(card: Mapping[str, Any]) -> str:
    """A face model's card in a few lines."""
    geometry, albedo = card["geometry"], card["albedo"]
    rows = (
        ("name", f"{card['name']} {card['version']} ({card['format']})"),
        ("sha256", card["sha256"]),
        ("geometry", f"{geometry['source']}; licence: {geometry['licence']}"),
        (
            "albedo",
            f"{albedo['modes']} modes from {sum(albedo['photographs']['sources'].values())} photographs and "
            f"{albedo['avatars']['used']} avatars; seed {albedo['seed']}",
        ),
    )
    return "\n".join(f"{name:20} {value}" for name, value in rows)


def _check(path: Path, tensors: Mapping[str, Any], card: WeightCard) -> str:
    """What was checked besides the hash.

    Raises:
        ModelFileError: numbers that are not finite, or tensors that do not fit the architecture of the card.
    """
    from ...networks.registry import METHOD_NETWORKS, NETWORKS, build_network

    broken = [name for name, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if broken:
        raise ModelFileError(f"weight file {path} holds numbers that are not finite, in {', '.join(broken)}")
    count = f"{sum(t.numel() for t in tensors.values()):,} numbers"
    if card.architecture not in {*NETWORKS.values(), *(kind for kind, _ in METHOD_NETWORKS.values())}:
        return count
    build_network(card, tensors, path)
    return f"{count}, fits {card.architecture}"


def _onnx(options: argparse.Namespace) -> int:
    from ...networks.onnx_export import OPSET, export_onnx, onnx_metadata, traced_size
    from ...networks.registry import build_network
    from ...networks.weights import load_weights

    out = options.out or options.file.with_suffix(".onnx")
    if out.suffix != ".onnx":
        raise UsageError(f"ONNX models end in .onnx, not {out.name!r}")
    tensors, card = load_weights(options.file)
    network = build_network(card, tensors, options.file)
    export_onnx(network, out, traced_size(card), metadata=onnx_metadata(card))
    print(f"{out}  {out.stat().st_size / 2**20:.2f} MiB, {card.architecture}, opset {OPSET}")
    return 0
