from __future__ import annotations

import pickle

import numpy as np

from wholeface.lab.data.engine import EngineSettings, FaceEngine, throughput
from wholeface.lab.data.occluders.hair.styles import NATURALS


def test_a_sample_is_the_same_in_every_order_and_process() -> None:
    engine = FaceEngine(seed=3, size=96)
    other = pickle.loads(pickle.dumps(engine))
    wanted = [engine.sample(index) for index in range(4)]
    for index in reversed(range(4)):
        again = other.sample(index)
        for name in ("image", "clean", "parsing", "occluder", "face", "dense"):
            np.testing.assert_array_equal(getattr(again, name), getattr(wanted[index], name))
        assert again.seed == (3, index)
        assert again.depth is None  # not asked for


def test_haircuts_are_of_the_occluders_split() -> None:
    settings = EngineSettings(clean=1.0, hair=1.0, camera=0.0)
    for split, wanted in (("train", "train"), ("test", "train"), ("held_out", "held_out")):
        engine = FaceEngine(seed=1, size=64, split=split, settings=settings)
        engine.sample(0)
        found: set[str] = set()
        source = engine._hair
        assert source is not None
        draw = source.natural

        def watched(*arguments, draw=draw, found=found):  # type: ignore[no-untyped-def]
            layer = draw(*arguments)
            if layer is not None:
                found.add(layer.name.removeprefix("hair/natural_"))
            return layer

        source.natural = watched  # type: ignore[method-assign]
        for index in range(8):
            engine.sample(index)
        assert found
        assert {NATURALS[name][2] for name in found} == {wanted}


def test_throughput_adds_up() -> None:
    found = throughput(count=3, size=64, warm_up=2)
    stages = sum(found[name] for name in ("synthetic", "portrait", "hair", "occluders", "camera"))
    np.testing.assert_allclose(stages, found["total"], rtol=0.01)
    np.testing.assert_allclose(found["per_second"], 1000 / found["total"])
    assert found["portrait"] == 0.0
    assert found["elapsed"] > 0.0
