"""Networks are loaded once, by whoever comes first, and do not travel."""

from __future__ import annotations

import pickle
import threading

import numpy as np

from wholeface.perceive import FaceLandmarks
from wholeface.stages import Networks


class _Nobody:
    def detect(self, pixels: np.ndarray) -> tuple[FaceLandmarks, ...]:
        return ()


def test_a_given_detector_is_taken_as_it_is_and_travels() -> None:
    networks = Networks(detector=(given := _Nobody()))
    assert networks.detector is given
    assert isinstance(pickle.loads(pickle.dumps(networks)).detector, _Nobody)


def test_many_threads_load_one_network() -> None:
    networks = Networks()
    found = []
    threads = [threading.Thread(target=lambda: found.append(networks.parser)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(parser) for parser in found}) == 1
    assert found[0] is not None


def test_two_sets_of_networks_share_nothing() -> None:
    assert Networks().parser is not Networks().parser
