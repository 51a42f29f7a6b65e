"""The detector on real photos that matplotlib and scikit-image ship."""

from __future__ import annotations

import builtins
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from wholeface.core.errors import UsageError
from wholeface.perceive import LandmarkDetector, MediapipeDetector
from wholeface.perceive.mediapipe.mirror import MIRROR_478


@pytest.fixture(scope="module")
def detector():
    pytest.importorskip("mediapipe")
    return MediapipeDetector()


@pytest.fixture(scope="module")
def hopper():
    from matplotlib import cbook

    with Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        return np.asarray(image.convert("RGB"))


@pytest.fixture(scope="module")
def astronaut():
    from skimage import data

    return data.astronaut()


def test_grace_hopper(detector, hopper):
    (face,) = detector.detect(hopper)
    assert isinstance(detector, LandmarkDetector)
    # Read off the photo: forehead under the cap to chin, cheek to cheek; eyes and mouth corners to a few pixels.
    np.testing.assert_allclose(face.box, [168, 131, 357, 336], atol=12)
    assert face.points.shape == (478, 2)
    assert face.scheme == "mediapipe478"
    assert face.score > 0.5
    assert face.visibility[[33, 263, 4, 61, 291]].min() > 0.5
    assert face.points[33, 0] < face.points[133, 0] < face.points[362, 0] < face.points[263, 0]
    size = np.sqrt(np.prod(face.box[2:] - face.box[:2]))
    assert 0.005 * size < np.median(face.sigma) < 0.04 * size
    assert face.depth[4] > face.depth[234]  # the nose's tip is nearer than the cheek


def test_astronaut(detector, astronaut):
    (face,) = detector.detect(astronaut)
    np.testing.assert_allclose(face.box, [174, 57, 276, 190], atol=15)


def test_mirrored_photo_gives_mirrored_landmarks(detector, hopper):
    (face,) = detector.detect(hopper)
    (mirrored,) = detector.detect(hopper[:, ::-1])
    back = mirrored.points[MIRROR_478].copy()
    back[:, 0] = hopper.shape[1] - 1 - back[:, 0]
    assert np.linalg.norm(back - face.points, axis=1).mean() < 1.0


def test_blank_and_tiny_images_show_nobody(detector):
    assert detector.detect(np.full((300, 400, 3), 128, dtype=np.uint8)) == ()
    assert detector.detect(np.zeros((1, 1, 3), dtype=np.uint8)) == ()


def test_two_faces_largest_first(detector, hopper, astronaut):
    small = np.asarray(Image.fromarray(hopper[100:400, 100:420]).resize((160, 150)))
    canvas = np.full((420, 700, 3), 90, dtype=np.uint8)
    canvas[30:180, 20:180] = small
    canvas[20:320, 350:650] = astronaut[0:300, 80:380]
    faces = detector.detect(canvas)
    assert len(faces) == 2
    assert faces[0].box[0] > 350
    assert faces[1].box[2] < 200
    only = MediapipeDetector(max_faces=1).detect(canvas)
    assert len(only) == 1
    assert only[0].box[0] > 350


@pytest.mark.parametrize("edge", [40, 2000])
def test_small_and_large_faces(detector, hopper, edge):
    """A face of 40 pixels in a large image, and one that fills an image of 2000 pixels."""
    crop = Image.fromarray(hopper[90:390, 110:410])
    if edge == 40:
        canvas = np.full((900, 1400, 3), 100, dtype=np.uint8)
        canvas[600:664, 1000:1064] = np.asarray(crop.resize((64, 64), Image.Resampling.LANCZOS))
        (face,) = detector.detect(canvas)
        assert (face.box > [990, 590, 990, 590]).all()
        assert (face.box < [1070, 670, 1070, 670]).all()
    else:
        (face,) = detector.detect(np.asarray(crop.resize((2000, 2000), Image.Resampling.BICUBIC)))
        scale = 2000 / 300
        expected = (np.array([168, 131, 357, 336]) - [110, 90, 110, 90]) * scale
        np.testing.assert_allclose(face.box, expected, atol=15 * scale)


def test_face_on_its_side(detector, hopper):
    turned = np.ascontiguousarray(np.rot90(hopper, -1))  # clockwise: (x, y) -> (H − 1 − y, x)
    (upright,), (face,) = detector.detect(hopper), detector.detect(turned)
    expected = np.stack([hopper.shape[0] - 1 - upright.points[:, 1], upright.points[:, 0]], axis=1)
    assert np.linalg.norm(face.points - expected, axis=1).mean() < 3.0


def test_bad_arguments():
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(UsageError, match="uint8 image"):
            MediapipeDetector().detect(wrong)
    with pytest.raises(UsageError, match="max_faces"):
        MediapipeDetector(max_faces=0)
    with pytest.raises(UsageError, match="min_confidence"):
        MediapipeDetector(min_confidence=1.0)


def test_missing_package_names_the_remedy(monkeypatch):
    original = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "mediapipe" or name.startswith("mediapipe."):
            raise ImportError("No module named 'mediapipe'")
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "mediapipe", raising=False)
    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"pip install 'wholeface\[mediapipe\]'"):
        MediapipeDetector().detect(np.zeros((64, 64, 3), dtype=np.uint8))


def test_nothing_is_imported_or_printed_by_itself():
    pytest.importorskip("mediapipe")
    code = (
        "import sys, wholeface.perceive as p\n"
        "assert 'mediapipe' not in sys.modules\n"
        "import numpy as np\n"
        "from skimage import data\n"
        "assert len(p.MediapipeDetector().detect(data.astronaut())) == 1\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == ""
