"""How far relief is believed: measured on a network whose errors are known."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from wholeface.lab.train.relief_trust import main, measured_trust
from wholeface.networks import (
    ReliefNet,
    ReliefNetConfig,
    ReliefOutput,
    WeightCard,
    load_weights,
    save_weights,
)

SIZE = 64


class _Store:
    """Waves in the upper half, none below."""

    folder = Path("waves")

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        rows, columns = np.mgrid[:SIZE, :SIZE]
        truth = 0.2 * np.sin(columns / 2 + index) * (rows < SIZE // 2)
        maps = {
            "image": np.full((SIZE, SIZE, 3), 100, np.uint8),
            "rendering": np.full((SIZE, SIZE, 3), 100, np.uint8),
            "normals": np.full((SIZE, SIZE, 3), 73, np.int8),
            "place": np.zeros((SIZE, SIZE, 3), np.int8),
            "visible": np.full((SIZE, SIZE), 255, np.uint8),
            "slopes": np.zeros((SIZE, SIZE, 2), np.int8),
        }
        given = SimpleNamespace(maps=lambda: maps)
        return SimpleNamespace(
            given=given, displacement=truth.astype(np.float32), weight=np.full((SIZE, SIZE), 255, np.uint8)
        )


class _Told(ReliefNet):
    """Says half of the truth in the upper half, noise below, and knows which is which."""

    def __init__(self, store: _Store) -> None:
        super().__init__(ReliefNetConfig(input_size=SIZE, widths=(4, 4, 4, 4), blocks=(0, 0, 0, 0), fine=4))
        self.store, self.asked, self.lies = store, 0, False

    def read(self, raw: torch.Tensor) -> ReliefOutput:
        truth = torch.from_numpy(self.store[self.asked].displacement)
        noise = 0.1 * torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(self.asked))
        noise[: SIZE // 2] *= float(self.lies)
        scale = torch.full((SIZE, SIZE), 0.01)
        scale[SIZE // 2 :] = 1.0
        self.asked += 1
        return ReliefOutput((truth / 2 * (not self.lies) + noise)[None, None], scale[None, None])


def test_noise_that_is_owned_up_to_is_taken_out_and_the_rest_scaled() -> None:
    torch.manual_seed(0)
    found = measured_trust(_Told(_Store()), _Store())  # type: ignore[arg-type]
    assert found.noise >= 0.2
    assert found.gain == 1.5  # of 2, which is bounded
    assert found.mean < 1 < found.untrusted[0]
    # A quarter is left of the half that is believed one and a half times; of the noise hardly any.
    assert 0.25**2 < found.square < 0.3


def test_what_was_chosen_elsewhere_is_kept_and_measured() -> None:
    torch.manual_seed(0)
    free = measured_trust(_Told(_Store()), _Store())  # type: ignore[arg-type]
    same = measured_trust(_Told(_Store()), _Store(), gains=(1.5,))  # type: ignore[arg-type]
    assert same == free
    less = measured_trust(_Told(_Store()), _Store(), gains=(0.75,), noises=(0.2,))  # type: ignore[arg-type]
    assert (less.gain, less.noise) == (0.75, 0.2)
    assert less.square > free.square
    assert less.untrusted == free.untrusted


def test_relief_that_is_all_noise_is_not_believed() -> None:
    torch.manual_seed(0)
    network = _Told(_Store())
    network.lies = True
    found = measured_trust(network, _Store())  # type: ignore[arg-type]
    assert found.gain == 0.3  # the least there is
    assert found.noise == 2.0
    assert found.mean < found.untrusted[0]


def test_the_command_writes_them_into_the_card(relief_store: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = ReliefNetConfig(input_size=48, widths=(4, 6, 8, 8), blocks=(1, 1, 1, 1), fine=6)
    network = ReliefNet(config)
    torch.nn.init.normal_(network.head.weight, std=0.2)
    card = WeightCard("relief", "1", "random", "MIT", scores={"rms": 1.0}, architecture="ReliefNet",
                      architecture_config=asdict(config))  # fmt: skip
    save_weights(tmp_path / "a.safetensors", network.state_dict(), card, storage="int8")
    assert (
        main([str(tmp_path / "a.safetensors"), str(relief_store), "-o", str(tmp_path / "b.safetensors")]) == 0
    )
    before, after = (load_weights(tmp_path / f"{name}.safetensors") for name in "ab")
    for name, tensor in before[0].items():
        assert torch.equal(tensor, after[0][name])  # packed twice is packed once
    gain, noise = after[1].architecture_config["trust"]
    assert 0 <= gain <= 1.5
    assert noise >= 0
    assert after[1].scores["rms"] == 1.0
    assert 0 <= after[1].scores["trusted_gradient"] <= after[1].scores["untrusted_gradient"] + 1e-9
