"""An engine without models, for tests of the server: what a photo says is what happens to it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wholeface.errors import NoFaceError

FACE = {
    "number": 1,
    "hidden_fraction": 0.25,
    "quality": {"verdict": "good", "reasons": []},
    "warnings": [],
    "provenance": {"observed": 0.5, "model": 0.5},
    "rotation": [0.0, 0.0, 0.0],
    "translation": [0.0, 0.0, -600.0],
    "camera": {"focal": 1000.0},
    "expressions": True,
}


class StubEngine:
    """Does what ``none``, ``crash``, ``broken``, ``untrue`` and ``sleep N`` say; of all else makes a small result."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        print("libraries print", flush=True)  # must not get among the replies
        if config["method"] == "broken":
            raise RuntimeError("/secret/weights are missing")

    def __call__(
        self, photo: Path, folder: Path, options: Mapping[str, Any], tell: Callable[[str, int, int], None]
    ) -> None:
        """See :class:`wholeface.app.serve.engine.ReconstructorEngine`."""
        word, _, rest = photo.read_bytes()[:200].decode("latin-1").partition(" ")
        tell("reading the photo", 1, 2)
        if word == "none":
            raise NoFaceError("no face found")
        if word == "crash":
            os._exit(9)
        if word == "broken":
            raise OSError(13, "Permission denied", str(folder))
        if word == "untrue":  # says that it is done, and is not
            return
        if word == "sleep":
            time.sleep(float(rest.split()[0]))
        tell("writing the head", 2, 2)
        (folder / "1").mkdir(parents=True)
        (folder / "photo.jpg").write_bytes(photo.read_bytes())
        (folder / "1" / "face.glb").write_bytes(b"glTF" + json.dumps(options).encode() + bytes(2_000_000))
        files = ["photo.jpg", "1/face.glb"]
        report = {"photo": {"width": 4, "height": 3}, "face_count": 1, "faces": [FACE], "files": files}
        (folder / "result.json").write_text(json.dumps(report))
