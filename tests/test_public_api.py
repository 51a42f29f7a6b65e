"""What `import wholeface` offers is a promise: a change here is a change for users."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import wholeface

_SOURCE = Path(wholeface.__path__[0])
_ROOMS = sorted(
    ".".join(["wholeface", *file.parent.relative_to(_SOURCE).parts])
    for file in _SOURCE.rglob("*/__init__.py")
)


def test_names_of_the_package() -> None:
    assert wholeface.__all__ == [
        "Deoccluded",
        "ModelFileError",
        "MorphableModel",
        "NoFaceError",
        "Parameters",
        "Photo",
        "PhotoError",
        "Reconstruction",
        "Reconstructor",
        "UsageError",
        "WholeFaceError",
        "deocclude",
        "load_model",
        "read_photo",
        "reconstruct",
    ]
    assert all(getattr(wholeface, name) is not None for name in wholeface.__all__)


def test_errors_are_imported_by_the_path_of_users() -> None:
    from wholeface import errors
    from wholeface.core import errors as made

    public = {
        name for name, value in vars(made).items() if isinstance(value, type) and not name.startswith("_")
    }
    assert set(errors.__all__) == public
    assert all(getattr(errors, name) is getattr(made, name) for name in public)


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'recontsruct'"):
        wholeface.recontsruct  # noqa: B018


def test_import_is_quick_and_quiet() -> None:
    code = "import sys, wholeface; print([m for m in ('torch', 'numpy', 'mediapipe') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("room", _ROOMS)
def test_all_is_sorted_and_complete(room: str) -> None:
    module = importlib.import_module(room)
    names = getattr(module, "__all__", [])
    assert list(names) == sorted(names, key=lambda n: (not n.isupper(), not n[0].isupper(), n)) or list(
        names
    ) == sorted(names)
    assert all(hasattr(module, name) for name in names)


def test_only_the_teacher_imports_mediapipe() -> None:
    from pathlib import Path

    package = Path(wholeface.__path__[0])
    users = [
        str(path.relative_to(package))
        for path in sorted(package.rglob("*.py"))
        if any(
            line.strip().startswith(("import mediapipe", "from mediapipe"))
            for line in path.read_text().splitlines()
        )
    ]
    labelling = ["lab/data/portraits/labels.py", "lab/data/portraits/prepare.py"]  # of training images
    assert users == [*labelling, "perceive/mediapipe/detector.py"]
