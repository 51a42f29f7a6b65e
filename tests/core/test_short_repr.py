"""What people see when they print our objects or end a notebook cell with one."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import io
import pkgutil
import re
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

import wholeface
from wholeface import Reconstruction, read_photo
from wholeface.core.short_repr import short_repr
from wholeface.render import Camera

Head = Callable[..., Reconstruction]


def test_everything_that_a_result_holds_is_short(plain_head: Head) -> None:
    head = plain_head()
    things = [
        *(head, head.model, head.parameters, head.camera, head.landmarks, head.photo, head.completed),
        *(head.mesh(expressions=True), head.quality, head.model.albedo, head.model.landmarks_68),
        wholeface.load_model(),
    ]
    for thing in things:
        text = repr(thing)
        assert len(text) < 1500, f"{type(thing).__name__}: {len(text)}"
        assert "\n" not in text
        assert "tensor(" not in text
        assert "array(" not in text
        assert type(thing).__name__ in text


def test_a_result_says_what_it_is(plain_head: Head) -> None:
    assert repr(plain_head()) == (
        "<Reconstruction of '<array>': face 1 of 1, 0% hidden, quality poor, model 'egg', method 'auto'>"
    )


def test_arrays_show_type_and_shape(plain_head: Head) -> None:
    assert repr(plain_head().parameters) == (
        "Parameters(identity=float32 (6,), expression=float32 (5,), albedo=float32 (4,), light=float32 (9, 3), "
        "rotation=float32 (3,), translation=float32 (3,))"
    )
    assert repr(Camera(700.0, 1.5, 2.0, 4, 5)) == "Camera(focal=700, cx=1.5, cy=2, width=4, height=5)"
    assert repr(read_photo(np.zeros((20, 30, 3), np.uint8))) == (
        "Photo(pixels=uint8 (20, 30, 3), source='<array>', format='array', warnings=())"
    )


def test_notebooks_show_the_preview(plain_head: Head) -> None:
    from dataclasses import replace

    head = plain_head(photo=replace(plain_head().photo, source="<script>alert(1)</script>.jpg"))
    page = head._repr_html_()
    assert "<script>" not in page
    image = re.search(r'src="data:image/jpeg;base64,([^"]+)"', page)
    assert image is not None
    for data in (base64.b64decode(image[1]), head._repr_png_()):
        assert Image.open(io.BytesIO(data)).size == (8, 8)


def test_the_preview_in_ipython(plain_head: Head) -> None:
    formatters = pytest.importorskip("IPython.core.formatters", reason="needs IPython")
    shown, _ = formatters.DisplayFormatter().format(plain_head())
    assert {"text/plain", "text/html", "image/png"} <= shown.keys()


def _public_classes() -> list[type]:
    """Dataclasses that a package of any depth exports, but for those of the command and of the laboratory."""
    packages = [m.name for m in pkgutil.walk_packages(wholeface.__path__, "wholeface.") if m.ispkg]
    packages = [name for name in packages if name.split(".")[1] not in ("app", "lab")]
    modules = map(importlib.import_module, packages)
    found = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    classes = {c for c in found if isinstance(c, type) and dataclasses.is_dataclass(c)}
    return sorted(classes - {Reconstruction}, key=lambda c: c.__name__)  # its own sentence is tested above


@pytest.mark.parametrize("kind", _public_classes(), ids=lambda kind: kind.__name__)
def test_no_public_class_prints_its_arrays(kind: type) -> None:
    holds = [
        f.name for f in dataclasses.fields(kind) if re.search("Tensor|Array|Landmarks|Model", str(f.type))
    ]
    assert not holds or kind.__repr__ is short_repr, f"{kind.__module__}: add `__repr__ = short_repr`"
