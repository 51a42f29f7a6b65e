"""Kernels without a writable folder, with a full disk, and with a damaged cache."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.jit import _temporary_cache, njit

_SOURCE = Path(__file__).resolve().parents[2] / "src" / "wholeface"
_USE = """
import sys
sys.path.insert(0, {root!r})
import kernels
print(kernels.doubled(21))
"""
_KERNELS = """
from wholeface.core.jit import njit

@njit(cache=True, nogil=True)
def doubled(x):
    return 2 * x
"""


def _run(root: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Uses a kernel whose folder and home cannot be written, not even by root: plain files lie in their place."""
    package = root / "package"
    package.mkdir(parents=True, exist_ok=True)
    (package / "kernels.py").write_text(_KERNELS)
    (package / "__pycache__").touch()
    inherited = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR")}
    inherited["PYTHONPATH"] = os.pathsep.join(
        [str(_SOURCE.parent), *filter(None, [inherited.get("PYTHONPATH")])]
    )
    inherited |= {"HOME": "/proc/nohome", "PYTHONDONTWRITEBYTECODE": "1", **environment}
    return subprocess.run(
        [sys.executable, "-c", _USE.format(root=str(package))],
        capture_output=True,
        text=True,
        env=inherited,
        check=False,
    )


def test_kernels_work_and_are_cached_in_the_temporary_folder(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    done = _run(tmp_path, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("42")
    assert done.stderr == ""
    assert list(temporary.rglob("*.nbc"))
    (folder,) = temporary.glob("wholeface-kernels-*")
    assert folder.stat().st_mode & 0o077 == 0


def test_kernels_work_where_no_folder_can_be_written(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (temporary / f"wholeface-kernels-{os.getuid()}").touch()
    done = _run(tmp_path, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("42")
    assert not list(temporary.rglob("*.nbc"))


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = tmp_path / f"wholeface-kernels-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    _temporary_cache.cache_clear()
    assert _temporary_cache() is None
    folder.rmdir()
    folder.symlink_to(tmp_path)
    _temporary_cache.cache_clear()
    assert _temporary_cache() is None
    folder.unlink()
    _temporary_cache.cache_clear()
    assert _temporary_cache() == folder
    _temporary_cache.cache_clear()


def test_a_damaged_cache_costs_a_compilation(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert _run(tmp_path, TMPDIR=str(temporary)).returncode == 0
    for file in (*temporary.rglob("*.nbi"), *temporary.rglob("*.nbc")):
        file.write_bytes(b"")
    done = _run(tmp_path, TMPDIR=str(temporary))
    assert (done.returncode, done.stdout[:2]) == (0, "42"), done.stderr


def test_a_full_disk_costs_the_cache_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from numba.core.caching import IndexDataCacheFile

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "save", full)

    @njit(cache=True)
    def tripled(x: float) -> float:
        return 3 * x

    assert tripled(np.float32(2)) == 6


def test_every_kernel_goes_through_the_one_decorator() -> None:
    """numba's own ``njit(cache=True)`` ends the import where nothing can be written."""
    own = re.compile(
        r"^\s*from numba import .*\b(njit|jit|vectorize)\b|numba\.(njit|jit|vectorize)\b", re.MULTILINE
    )
    for file in _SOURCE.rglob("*.py"):
        assert file == _SOURCE / "core" / "jit.py" or not own.search(file.read_text(encoding="utf-8")), file
