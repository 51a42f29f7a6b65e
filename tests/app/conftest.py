"""Photos that the application tests use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def grace_hopper() -> Path:
    """A portrait with spectacles and a hat that matplotlib ships."""
    cbook = pytest.importorskip("matplotlib.cbook", reason="needs matplotlib's example image")
    return Path(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)))
