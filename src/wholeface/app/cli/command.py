"""``wholeface``: the command. Parses flags, calls a room, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from ... import __version__
from ...core.errors import WholeFaceError
from ._garbage import leave_the_rest_to_the_system
from ._terminal import reason_of, say, tolerant_streams
from .bench import add_bench_parser
from .doctor import add_doctor_parser
from .info import add_info_parser
from .reconstruct import add_reconstruct_parser
from .serve import add_serve_parser
from .synth import add_synth_parser
from .train import add_train_parser
from .view import add_view_parser
from .weights import add_weights_parser

__all__ = ["main"]

_DESCRIPTION = """\
WholeFace turns one photo of a partly hidden face into a complete, textured, animatable 3D head,
and says which parts it saw and which it made up.

  wholeface reconstruct photo.jpg -o out      one head for every face in the photo
  wholeface view out/photo                    look at it in the browser
  wholeface serve                             a page in the browser, and a service for programs
  wholeface bench speed                       how long each step takes on this machine
  wholeface train --list                      the recipes by which its networks are trained
  wholeface synth --count 100 -o faces        training images of occluded faces
  wholeface info                              version, face model, licences, limits
  wholeface doctor                            what is installed, what works, how fast this machine is
"""

_EPILOG = """\
The hidden part of a face is an estimate. Do not use it to identify or unmask people.
"""


def build_parser() -> argparse.ArgumentParser:
    """The parser of the ``wholeface`` command with all its subcommands."""
    parser = argparse.ArgumentParser(
        prog="wholeface",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"wholeface {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_reconstruct_parser(commands)
    add_view_parser(commands)
    add_serve_parser(commands)
    add_bench_parser(commands)
    add_synth_parser(commands)
    add_train_parser(commands)
    add_weights_parser(commands)
    add_info_parser(commands)
    add_doctor_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of the ``wholeface`` command.

    Args:
        arguments: command-line words without the program name; None takes ``sys.argv``.

    Returns:
        Exit code: 0 = all done, 1 = some of it done, 2 = nothing done or bad usage.
    """
    with tolerant_streams():
        return _main(build_parser().parse_args(arguments))


def _main(options: argparse.Namespace) -> int:
    # Read when torch loads: its idle OpenMP workers would otherwise spin on the cores that our threads need.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Read when NumPy loads: our matrices are small, and more BLAS threads only wait for one another.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    leave_the_rest_to_the_system()
    try:
        return int(options.run(options))
    except WholeFaceError as error:
        say(f"wholeface: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("wholeface: interrupted; what was finished has been written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # of the file system or the machine; what we can say better is a WholeFaceError
        say(f"wholeface: {reason_of(error)}", sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
