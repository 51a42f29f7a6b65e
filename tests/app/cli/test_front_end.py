"""The whole house with our own front end, mediapipe (and all that comes with it) uninstalled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wholeface
from wholeface.networks import registry
from wholeface.perceive import FaceLandmarks, has_weights
from wholeface.perceive.certainty import KEPT

# The extras and what mediapipe brings along are hidden, as if they were not there.
_UNINSTALLED = """
import importlib.machinery, sys
_hidden = {"mediapipe", "cv2", "jax", "jaxlib", "sounddevice", "flatbuffers", "absl", "sentencepiece", "matplotlib",
           "onnx", "onnxruntime", "lightning", "lightning_fabric"}
_real = importlib.machinery.PathFinder.find_spec
def _find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in _hidden else _real(name, path, target)
importlib.machinery.PathFinder.find_spec = _find_spec
"""

# A rendered head with a hand-sized patch: its 668 landmarks are known, so that no weights are needed.
_RENDERED = """
import json
import numpy as np, torch
import wholeface
from wholeface.morphable import dense_embedding, linear_to_srgb
from wholeface.perceive import FaceLandmarks
from wholeface.render import Camera, ambient_light, render_parameters, to_camera

model = wholeface.load_model()
generator = torch.Generator().manual_seed(4)
truth = wholeface.Parameters(
    0.5 * torch.randn(model.identity_size, generator=generator),
    torch.zeros(model.expression_size),
    torch.zeros(model.albedo_size),
    0.8 * ambient_light(),
    torch.tensor([0.05, 0.2, 0.1]),
    torch.tensor([0.0, 0.0, -600.0]),
)
camera = Camera(700.0, 159.5, 139.5, 320, 280)
image = linear_to_srgb(render_parameters(model, truth, camera).image[0].clamp(0, 1)).permute(1, 2, 0)
pixels = (255 * image).round().byte().numpy()
vertices = model.vertices(truth.identity, truth.expression)
dense = [e.points(vertices, model.triangles) for e in (model.landmarks_68, dense_embedding(model))]
points = camera.project(to_camera(torch.cat(dense), truth.rotation, truth.translation)).double().numpy()
low, high = points[68:546].min(0), points[68:546].max(0)
mouth = np.rint(points[48:68].mean(0)).astype(int)
pixels[mouth[1] - 25 : mouth[1] + 25, mouth[0] - 40 : mouth[0] + 40] = (20, 60, 160)
occluded = (np.abs(points - mouth) < (40, 25)).all(1)

class Knows:
    def detect(self, found):
        assert found.shape == pixels.shape
        rng = np.random.default_rng(0)
        return (FaceLandmarks(
            points=points + rng.normal(size=points.shape) * 0.4, scheme="wholeface668",
            box=np.concatenate([low, high]), score=0.9, visibility=np.ones(668), sigma=np.full(668, 0.5),
            occluded=occluded * 1.0, modes=rng.normal(size=(6, 668, 2)) * 0.2,
        ),)

import wholeface.stages.texture.uv.complete as texture_room
given = []
tint = texture_room.tint_eyes
texture_room.tint_eyes = lambda *a: (given.append(a[-1]), tint(*a))[1]
head = wholeface.Reconstructor(detector=Knows(), texture_size=128)(pixels)
head.save(sys.argv[1], formats=("glb", "obj", "ply"))
fitted = head.model.vertices(head.parameters.identity, head.parameters.expression)
again = head.camera.project(to_camera(model.landmarks_68.points(fitted, model.triangles),
                                      head.parameters.rotation, head.parameters.translation))
patch = np.zeros(pixels.shape[:2], bool)
patch[mouth[1] - 25 : mouth[1] + 25, mouth[0] - 40 : mouth[0] + 40] = True
inside = patch & head.face_region
print(json.dumps({
    "scheme": head.landmarks.scheme,
    "irises": bool(np.array_equal(given[-1], head.landmarks.points[68:546])),
    "off": float(np.linalg.norm(again.numpy() - points[:68], axis=1).mean() / (high - low).max()),
    "occluded": float((head.occluder > 0.5)[inside].mean()),
    "loaded": [name for name in ("mediapipe", "onnx", "cv2") if name in sys.modules],
}))
"""


def _run(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _UNINSTALLED + code, *words],
        capture_output=True,
        text=True,
        check=False,
    )


def test_668_landmarks_walk_through_every_stage_without_mediapipe(tmp_path: Path) -> None:
    done = _run(_RENDERED, str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["scheme"] == "wholeface668"
    assert found["irises"]
    assert found["off"] < 0.02
    assert found["occluded"] > 0.6
    assert found["loaded"] == []
    written = {p.name for p in (tmp_path / "out").iterdir()}
    assert written >= {"face.glb", "face.obj", "face.ply", "face.json", "preview.png", "deoccluded.png"}
    assert json.loads((tmp_path / "out" / "face.json").read_text())["face"]["of"] == 1


_COMMAND = "from wholeface.app.cli import main\nsys.exit(main(sys.argv[1:]))"


def test_the_command_without_mediapipe(grace_hopper: Path, tmp_path: Path) -> None:
    if not has_weights("detector", "landmarks"):
        pytest.skip("the weights of our own front end are not installed")
    done = _run(_COMMAND, "reconstruct", str(grace_hopper), "-o", str(tmp_path), "--texture-size", "128")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert list(tmp_path.glob("grace_hopper*/face.glb"))


def test_mediapipe_only_when_asked_for_and_then_by_name(grace_hopper: Path, tmp_path: Path) -> None:
    words = ["reconstruct", str(grace_hopper), "-o", str(tmp_path / "out"), "--detector", "mediapipe"]
    done = _run(_COMMAND, *words)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'wholeface[mediapipe]'" in done.stderr
    assert not (tmp_path / "out").exists()


class _Nobody:
    def detect(self, pixels: np.ndarray) -> tuple[FaceLandmarks, ...]:
        return ()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Instead of loading networks, notes what was to be loaded; the shipped weights count as installed."""
    import wholeface.perceive as room

    made: list[dict[str, object]] = []

    def load(**options: object) -> _Nobody:
        made.append(options)
        return _Nobody()

    monkeypatch.setattr(room, "has_weights", lambda *names: True)
    monkeypatch.setattr(room, "load_detector", load)
    monkeypatch.setattr(room, "load_parser", load)
    return made


def test_networks_are_loaded_once_and_as_asked(made: list[dict[str, object]]) -> None:
    ours = wholeface.Reconstructor(backend="onnx", weights="somewhere")
    assert made == []
    assert isinstance(ours.detector, _Nobody)
    assert ours.detector is ours.detector
    assert ours.parser is ours.parser
    common = {"backend": "onnx", "weights": Path("somewhere")}
    assert made == [{**common, "min_face": None, "certainty": KEPT}, common]
    asked = wholeface.Reconstructor(min_face=40.0, certainty=0.25)
    assert isinstance(asked.detector, _Nobody)
    assert made[2:] == [{"backend": "torch", "weights": None, "min_face": 40.0, "certainty": 0.25}]


def test_missing_weights_of_the_parser_leave_it_out_and_of_the_detector_are_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", tmp_path)
    bare = wholeface.Reconstructor()
    assert bare.parser is None
    with pytest.raises(wholeface.ModelFileError, match="weights of the detector network are missing"):
        _ = bare.detector


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(wholeface.UsageError, match="unknown backend 'tensorrt'; choose torch or onnx"):
        wholeface.Reconstructor(backend="tensorrt")  # type: ignore[arg-type]
