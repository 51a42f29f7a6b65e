"""The detector in a child process: the same faces, clear errors, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import DetectorError, UsageError
from wholeface.perceive import ChildProcessDetector, LandmarkDetector, MediapipeDetector


@pytest.fixture(scope="module")
def hopper():
    from matplotlib import cbook

    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("mediapipe")
    detector = ChildProcessDetector()
    yield detector
    detector.close()


def _assert_same(faces, others):
    assert len(faces) == len(others)
    for face, other in zip(faces, others):
        for name in ("points", "box", "visibility", "sigma", "depth"):
            np.testing.assert_array_equal(getattr(face, name), getattr(other, name))
        assert (face.score, face.scheme) == (other.score, other.scheme)


def test_same_result_as_in_process(detector, hopper):
    assert isinstance(detector, LandmarkDetector)
    _assert_same(detector.detect(hopper), MediapipeDetector().detect(hopper))


def test_prefetched_photos_are_answered_in_any_order(detector, hopper):
    empty = np.full((64, 80, 3), 128, np.uint8)
    detector.prefetch(empty)
    detector.prefetch(hopper)
    (face,) = detector.detect(hopper)
    assert detector.detect(empty) == ()
    assert face.points.shape == (478, 2)
    assert detector._ahead == []


def test_a_large_photo_passes_the_pipe(detector, hopper):
    large = np.asarray(Image.fromarray(hopper).resize((3000, 3500)))
    (face,) = detector.detect(large)
    scale = 3000 / hopper.shape[1]
    np.testing.assert_allclose(face.box / scale, [168, 131, 357, 336], atol=12)


def test_errors_of_the_detector_arrive_as_they_are(detector):
    with pytest.raises(UsageError, match="uint8 image, got float64"):
        detector.detect(np.zeros((8, 8, 3)))
    with pytest.raises(UsageError, match="max_faces"):
        ChildProcessDetector(max_faces=0)


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
def test_a_dead_child_is_one_clear_error_and_then_replaced(hopper):
    pytest.importorskip("mediapipe")
    detector = ChildProcessDetector()
    os.kill(detector._child.pid, signal.SIGKILL)
    with pytest.raises(DetectorError, match="ended with exit code -9 before it answered"):
        detector.detect(hopper)
    assert len(detector.detect(hopper)) == 1
    detector.close()


def test_close_ends_and_reaps_the_child():
    detector = ChildProcessDetector()
    child = detector._child
    detector.close()
    detector.close()
    assert child.returncode is not None
    detector = ChildProcessDetector()
    child = detector._child
    del detector
    assert child.returncode is not None


_PROGRAM = """
import os, sys
from wholeface.perceive import ChildProcessDetector
detector = ChildProcessDetector()
print(detector._child.pid, flush=True)
import numpy
detector.prefetch(numpy.zeros((64, 64, 3), "uint8"))
{end}
"""


@pytest.mark.skipif(not os.path.isdir("/proc"), reason="looks for the process in /proc")
@pytest.mark.parametrize("end", ["", "os._exit(3)", "raise SystemExit(1)", "os.kill(os.getpid(), 9)"])
def test_the_child_ends_with_the_program_however_it_ends(end):
    # Standard input is closed here, as in services.
    done = subprocess.run(
        [sys.executable, "-c", "import os; os.close(0)\n" + _PROGRAM.format(end=end)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    pid = int(done.stdout)
    assert done.stderr == ""
    deadline = time.monotonic() + 30
    while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}") or _is_zombie(pid)


def test_standard_error_may_be_closed():
    pytest.importorskip("mediapipe")
    code = "import os; os.close(2)\nimport numpy, sys; sys.stderr = None\n"
    code += "from wholeface.perceive import ChildProcessDetector\n"
    code += "print(ChildProcessDetector().detect(numpy.zeros((64, 64, 3), 'uint8')))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "()"


def _is_zombie(pid: int) -> bool:
    """Whether the process is dead and waits for the init process, which took it over, to reap it."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return False


def test_the_child_knows_neither_torch_nor_numba():
    pytest.importorskip("mediapipe")
    room = "wholeface.perceive.mediapipe"
    code = f"import sys, {room}._worker, {room}.detector as m\nm._mediapipe()\n"
    code += "print([n for n in ('torch', 'numba') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
