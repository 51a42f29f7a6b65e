"""A process of its own that holds the models: one JSON line in for each photo, JSON lines out about it.

In, first: the configuration, ``{"engine": "module:name", …}``. Out: ``{"ready": true}`` or ``{"broken": reason}``.
Then, for each line ``{"photo": …, "folder": …, "options": …}``: any number of ``{"stage", "step", "steps"}``, and at
last ``{"done": true}`` or ``{"failed": {"kind", "message"}}``. It ends with its parent, whatever it is doing.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import sys
import threading
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

from ...core.errors import WholeFaceError

__all__ = ["main"]

_TOLD = ("photo", "no_face", "usage")  # kinds of errors whose message is about the request alone


def main() -> int:
    """Entry point of the process."""
    replies = _private_output()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()

    def say(**reply: Any) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    config = json.loads(lines.get())
    try:
        module, _, name = config["engine"].partition(":")
        engine = getattr(import_module(module), name)(config)
    except Exception as error:
        traceback.print_exc()
        say(broken=str(error) or type(error).__name__)
        return 1
    say(ready=True)
    while True:
        task = json.loads(lines.get())
        try:
            engine(
                Path(task["photo"]),
                Path(task["folder"]),
                task["options"],
                lambda stage, step, steps: say(stage=stage, step=step, steps=steps),
            )
        except Exception as error:
            say(failed=_reason(error))
        else:
            say(done=True)
        gc.collect()


def _reason(error: Exception) -> dict[str, str]:
    """For the client where it is about his photo; else for the log, since it may name what is on this machine."""
    if isinstance(error, WholeFaceError) and error.kind in _TOLD:
        return {"kind": error.kind, "message": str(error)}
    traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return {
            "kind": "memory",
            "message": "there is not enough memory; shrink the photo or the texture",
        }
    return {"kind": "error", "message": "the server could not reconstruct this photo; its log says why"}


def _private_output() -> TextIO:
    """Standard output for the replies alone: what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return replies


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)  # the parent is gone


if __name__ == "__main__":
    sys.exit(main())
