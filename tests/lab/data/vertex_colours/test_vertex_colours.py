"""Parts that could be hidden, the list of photos, the store, and how colours are compared."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.cielab import lab_from_linear
from wholeface.errors import DataError, UsageError
from wholeface.lab.data.vertex_colours import (
    HIDINGS,
    ColourStore,
    colour_photos,
    held_out,
    hidden_part,
)
from wholeface.lab.data.vertex_colours.errors import colour_error
from wholeface.lab.data.vertex_colours.store import Views, write_store


def _places() -> np.ndarray:
    y, x = np.mgrid[1:-1:101j, -0.8:0.8:81j]
    return np.stack([x, y, 0.7 - x**2], axis=-1)


@pytest.mark.parametrize("kind", HIDINGS)
def test_parts_hide_what_they_are_named_after(kind: str) -> None:
    places = _places()
    shares = []
    for seed in range(40):
        part = hidden_part(kind, places, np.random.default_rng(seed))
        assert np.array_equal(part, hidden_part(kind, places, np.random.default_rng(seed)))
        shares.append(part.mean())
        if kind == "lower":
            assert part[-1].all()
            assert not part[0].any()
        if kind == "upper":
            assert not part[-1].any()
        if kind == "eyes":
            assert part[
                (places[..., 1] > 0.17) & (places[..., 1] < 0.21) & (np.abs(places[..., 0]) < 0.3)
            ].any()
            assert not part[-1].any()
        if kind == "side":
            assert part[50, 0] != part[50, -1]
    assert 0.05 < np.mean(shares) < 0.6
    assert np.std(shares) > 0.02


def test_where_there_is_no_face_nothing_is_hidden() -> None:
    places = np.full((4, 3), np.nan)
    assert not any(hidden_part(kind, places, np.random.default_rng(0)).any() for kind in HIDINGS)
    with pytest.raises(UsageError, match="no part of a face is called"):
        hidden_part("beard", places, np.random.default_rng(0))


def test_only_clean_photos_that_may_ship_are_listed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no faces_ai"):
        colour_photos(tmp_path)
    for folder in ("faces_ai", "portraits"):
        (tmp_path / folder).mkdir()
    labels = {"b.jpg": {"clean": True}, "a.jpg": {"clean": True}, "c.jpg": {"clean": False}}
    (tmp_path / "faces_ai" / "labels.json").write_text(json.dumps(labels))
    plain = {"glasses": False, "hair_over_face": False, "other_occluder": False, "discoloured": False}
    entries = [
        {"file": "p.jpg", "source": "bio_guide", "face_px": 200.0, **plain},
        {"file": "small.jpg", "source": "bio_guide", "face_px": 60.0, **plain},
        {"file": "wiki.jpg", "source": "wiki", "face_px": 200.0, **plain},
        {"file": "worn.jpg", "source": "bio_guide", "face_px": 200.0, **plain, "glasses": True},
    ]
    (tmp_path / "portraits" / "index.json").write_text(json.dumps(entries))
    assert [p.name for p in colour_photos(tmp_path)] == [
        "faces_ai/a.jpg",
        "faces_ai/b.jpg",
        "portraits/p.jpg",
    ]


def test_a_fifth_of_the_photos_is_kept_apart() -> None:
    names = [f"faces_ai/{n}.jpg" for n in range(1000)]
    assert 150 < sum(map(held_out, names)) < 250


def _views(name: str, seed: int, kinds: tuple[str, ...]) -> Views:
    rng = np.random.default_rng(seed)
    shapes = {"colours": (7, 3), "model": (7, 3), "known": (7, 3), "target": (7, 3), "trust": (7,)}
    return Views(name, kinds, {n: rng.random((len(kinds), *s)).astype(np.float32) for n, s in shapes.items()})


def test_what_is_stored_comes_back(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no store of vertex colours"):
        ColourStore(tmp_path / "none")
    views = [_views("a", 0, ("eyes", "lower")), _views("b", 1, ("side",))]
    write_store(tmp_path, "wholeface 1", views, {"seed": 3})
    store = ColourStore(tmp_path)
    assert (len(store), store.vertices, store.names, store.kinds) == (
        3,
        7,
        ["a", "a", "b"],
        ["eyes", "lower", "side"],
    )
    for row, (view, k) in enumerate(((views[0], 0), (views[0], 1), (views[1], 0))):
        sample = store[row]
        for name, array in view.arrays.items():
            assert np.allclose(getattr(sample, name), array[k], atol=2.1e-3), name
        assert np.allclose(sample.hidden, sample.trust * (1 - sample.known[:, 0]))
        turned = sample.mirrored(np.arange(7)[::-1])
        assert np.array_equal(turned.trust, sample.trust[::-1])
    assert sorted([*store.rows(held=True), *store.rows(held=False)]) == [0, 1, 2]
    (tmp_path / "manifest.json").write_text('{"schema": 0, "model": "", "names": [], "kinds": []}')
    with pytest.raises(DataError, match="another version"):
        ColourStore(tmp_path)


def test_colour_error_by_hand() -> None:
    found = np.log(np.array([[0.2, 0.2, 0.2], [0.5, 0.4, 0.3], [1e-3, 1, 1]]))
    wanted = np.log(np.array([[0.2, 0.2, 0.2], [0.3, 0.4, 0.3], [1, 1e-3, 1]]))
    error = colour_error(found, wanted, np.array([3.0, 1.0, 0.0]))
    far = np.linalg.norm(np.subtract(*lab_from_linear(np.exp(np.stack([found[1], wanted[1]])))))
    assert error.delta_e == pytest.approx(far / 4)
    red = 255 * 1.055 * (0.5 ** (1 / 2.4) - 0.3 ** (1 / 2.4))
    assert error.rmse == pytest.approx(np.sqrt(red**2 / 3 / 4))
    means = [0.75 * 0.2 + 0.25 * np.array(c) for c in ((0.5, 0.4, 0.3), (0.3, 0.4, 0.3))]
    assert error.delta_e_mean == pytest.approx(np.linalg.norm(np.subtract(*lab_from_linear(np.array(means)))))
    assert np.isnan(colour_error(found, wanted, np.zeros(3)).delta_e)
