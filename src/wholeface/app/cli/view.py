"""``wholeface view``: a finished result in the browser."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from ._serving import add_address, need_the_extra, run_server, token_of
from ._words import path_of

_DESCRIPTION = """\
Shows finished results in the browser: the head in 3D beside the photo, its expressions, what was seen and what
was made up. It needs wholeface[serve], and nothing from the internet. Nothing is written into the folders.

The photo is shown where it still lies where it was reconstructed from; --photo names another place. Expressions
have sliders where the result was made with --expressions.
"""

_EPILOG = """\
examples:
  wholeface reconstruct photo.jpg -o out --expressions
  wholeface view out/photo
  wholeface view out                         all results in there
"""


def add_view_parser(commands: Any) -> None:
    """Add ``view`` to the subparsers ``commands``."""
    parser = commands.add_parser(
        "view",
        help="a finished result in the browser",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "results",
        nargs="+",
        type=path_of,
        metavar="RESULT",
        help="folders of results, or folders with such inside",
    )
    parser.add_argument("--photo", type=path_of, metavar="FILE", help="the photo that they were made from")
    add_address(parser, 0)
    parser.add_argument("--no-browser", action="store_true", help="only say where it is")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    need_the_extra()
    from ..serve import ServeSettings, create_view_app
    from ..serve.viewing import find_results

    results = find_results(options.results, options.photo)
    settings = ServeSettings(host=options.host, port=options.port, token=token_of(options))
    with tempfile.TemporaryDirectory(prefix="wholeface-") as workspace:
        app = create_view_app(results, Path(workspace), settings)
        greeting = f"{len(results)} result{'s'[: len(results) > 1]} at {{url}} (Ctrl-C ends it)"
        return run_server(app, settings, greeting=greeting, browse=not options.no_browser)
