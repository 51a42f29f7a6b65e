"""Keep the start-up chatter of native libraries off stderr without losing what anybody else writes there."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

# glog/absl lines ("W0000 00:00:17952 6785 file.cc:114] …"), their announcement, and TensorFlow Lite's own logger.
_CHATTER = re.compile(
    rb"^(?:[IW]\d{4} [\d:. ]+ +\d+ \S+\.cc:\d+\] .*|WARNING: All log messages before absl::InitializeLog.*"
    rb"|INFO: Created TensorFlow Lite .*)\n?$"
)


def keep(text: bytes) -> bytes:
    """``text`` without the lines that are known chatter (information and warnings; errors stay)."""
    return b"".join(line for line in text.splitlines(keepends=True) if not _CHATTER.match(line))


def _flush() -> None:
    if sys.stderr is not None:  # None where the program was started with it closed
        sys.stderr.flush()


@contextlib.contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Collect what is written to file descriptor 2 meanwhile; afterwards pass on all but known chatter."""
    _flush()
    try:
        saved = os.dup(2)
    except OSError:  # no stderr at all, e.g. a windowed program
        yield
        return
    with tempfile.TemporaryFile() as collected:
        os.dup2(collected.fileno(), 2)
        try:
            yield
        finally:
            _flush()
            os.dup2(saved, 2)
            collected.seek(0)
            rest = keep(collected.read())
            while rest:
                rest = rest[os.write(saved, rest) :]
            os.close(saved)
