"""A public face-recognition network as a measuring device: faces become vectors that are near for one person.

Nothing in this project is trained on it or against it; that is what makes it a judge.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError

__all__ = ["PACKAGES", "Box", "DlibEmbedder", "FaceEmbedder"]

Pixels = NDArray[np.uint8]
Array = NDArray[np.float64]
Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels."""

PACKAGES = ("dlib", "face_recognition_models")
"""Modules that :class:`DlibEmbedder` needs."""
_INSTALL = 'pip install "face-recognition-models==0.3.0" dlib-bin'
_POINTS = "shape_predictor_5_face_landmarks.dat"
_NETWORK = "dlib_face_recognition_resnet_model_v1.dat"


class FaceEmbedder(Protocol):
    """Turns the face in a box into a vector."""

    name: str

    def find(self, pixels: Pixels) -> Box | None:
        """The box of the largest face of an image (H, W, 3), or None."""
        ...

    def embed(self, pixels: Pixels, box: Box) -> Array:
        """(K,) vector of the face in that box; Euclidean distances compare them."""
        ...


class DlibEmbedder:
    """dlib's 128-dimensional ResNet embedding, faces aligned by dlib's five points.

    Of the package's models the five-point predictor and the ResNet are read, both in the public domain (CC0); its
    68-point predictor, which is not free for every use, is never opened.

    Raises:
        UsageError: one of the packages is missing; names the command that installs both.

    Source: D. King, "High quality face recognition with deep metric learning", dlib 19.3, 2017.
    """

    name = "dlib ResNet-29, 128 dimensions"

    def __init__(self) -> None:
        for module in PACKAGES:
            if importlib.util.find_spec(module) is None:
                raise UsageError(
                    f"the face-recognition network that measures likeness is missing ({module}): {_INSTALL}"
                )
        import dlib  # type: ignore[import-not-found, unused-ignore]

        folder = _models()
        self._dlib: Any = dlib
        self._finder: Any = dlib.get_frontal_face_detector()
        self._points: Any = dlib.shape_predictor(str(folder / _POINTS))
        self._network: Any = dlib.face_recognition_model_v1(str(folder / _NETWORK))

    def find(self, pixels: Pixels) -> Box | None:
        """See :class:`FaceEmbedder`; by dlib's histograms of gradients, the image enlarged once where needed."""
        for enlarged in (0, 1):
            found = self._finder(np.ascontiguousarray(pixels), enlarged)
            if len(found):
                best = max(found, key=lambda box: box.area())
                return best.left(), best.top(), best.right(), best.bottom()
        return None

    def embed(self, pixels: Pixels, box: Box) -> Array:
        """See :class:`FaceEmbedder`."""
        image = np.ascontiguousarray(pixels)
        points = self._points(image, self._dlib.rectangle(*box))
        return np.asarray(self._network.compute_face_descriptor(image, points), np.float64)


def _models() -> Path:
    """Folder of the models; the package itself is not imported, because it needs setuptools to be."""
    spec = importlib.util.find_spec(PACKAGES[1])
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(next(iter(spec.submodule_search_locations))) / "models"
    for name in (_POINTS, _NETWORK):
        if not (folder / name).is_file():
            raise UsageError(f"{PACKAGES[1]} lacks {name}: {_INSTALL}")
    return folder
