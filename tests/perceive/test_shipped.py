"""From weight files to detectors and parsers, and what is said when they do not fit."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from wholeface.core.errors import ModelFileError, WholeFaceError
from wholeface.networks.registry import METHOD_NETWORKS, NETWORKS, weights_file
from wholeface.networks.weights import WeightCard, card_path, load_card, load_weights, save_weights
from wholeface.perceive import has_weights, load_detector, load_network, load_parser


def rewrite_card(path, **changes):
    file = card_path(path)
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("name", list(NETWORKS))
def test_a_network_comes_back_as_it_was_saved(small_networks, weights_folder, name):
    network, card = load_network(name, weights_folder)
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert network.config == small_networks[name].config
    assert card.architecture == NETWORKS[name]
    state = network.state_dict()
    for key, value in small_networks[name].state_dict().items():
        if value.is_floating_point():
            assert torch.equal(state[key], value), key
    direct, _ = load_network(name, weights_folder / f"{name}.safetensors")
    assert torch.equal(direct.head.weight, network.head.weight)


def test_where_weights_lie(weights_folder):
    assert weights_file("parsing", weights_folder) == weights_folder / "parsing.safetensors"
    assert weights_file("parsing").parent.name == "assets"
    assert has_weights(*NETWORKS, weights=weights_folder)
    (weights_folder / "parsing.safetensors").unlink()
    assert not has_weights(*NETWORKS, weights=weights_folder)
    assert has_weights("detector", weights=weights_folder)


def test_the_front_end_takes_sizes_from_the_cards(weights_folder):
    detector = load_detector(weights=weights_folder, max_faces=3, thorough=False)
    size = load_card(weights_folder / "detector.safetensors").architecture_config["input_size"]
    assert (detector.faces.size, detector.landmarks.size) == (size, 64)
    assert (detector.faces.max_faces, detector.faces.thorough) == (3, False)
    assert detector.landmarks.calibration is None
    parser = load_parser(weights=weights_folder)
    assert (parser.size, parser.classes) == (96, 20)
    pixels = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    points = np.random.default_rng(1).uniform(20, 60, (478, 2))
    parsing = parser.parse(pixels, points)
    assert parsing.parsing.shape == (20, 96, 96)
    np.testing.assert_allclose(parsing.kind.sum(axis=0), 1, atol=1e-5)


def noise(folder, *, sha256=None, **tensors):
    card = WeightCard("n", "1", "d", "CC0-1.0", notes={"weights_sha256": sha256} if sha256 else {})
    save_weights(folder / "landmarks_noise.safetensors", tensors, card)


def test_the_landmarks_noise(weights_folder):
    own, modes = torch.rand(668, 2).half(), torch.rand(5, 668, 2).half()
    noise(weights_folder, own=own, modes=modes)
    calibration = load_detector(weights=weights_folder).landmarks.calibration
    np.testing.assert_array_equal(calibration.own, own.double().numpy())
    np.testing.assert_array_equal(calibration.modes, modes.double().numpy())
    noise(
        weights_folder,
        own=own,
        modes=modes,
        sha256=load_card(weights_folder / "landmarks.safetensors").sha256,
    )
    load_detector(weights=weights_folder)
    noise(weights_folder, own=own, modes=modes, sha256="0" * 64)
    with pytest.raises(ModelFileError, match=r"landmarks_noise.*SHA-256 0000.*measure them again"):
        load_detector(weights=weights_folder)
    for wrong in ({"own": own}, {"own": own, "modes": modes[0]}, {"own": own.T, "modes": modes}):
        noise(weights_folder, **{k: v.contiguous() for k, v in wrong.items()})
        with pytest.raises(ModelFileError, match=r"must hold own \(668, 2\) and modes \(any, 668, 2\)"):
            load_detector(weights=weights_folder)


@pytest.mark.parametrize("name", list(NETWORKS))
def test_what_is_wrong_with_weights(small_networks, weights_folder, name):
    file = weights_folder / f"{name}.safetensors"
    tensors, card = load_weights(file)
    kind = NETWORKS[name]

    rewrite_card(file, architecture="VisionTransformer")
    with pytest.raises(ModelFileError, match=rf"{name}\.safetensors .*'VisionTransformer'.*update wholeface"):
        load_network(name, weights_folder)
    rewrite_card(file, architecture="")
    with pytest.raises(ModelFileError, match=r"\(none named\)"):
        load_network(name, weights_folder)
    other = next(k for k in NETWORKS.values() if k != kind)
    rewrite_card(file, architecture=other)
    with pytest.raises(ModelFileError, match=f"holds a {other}, but the {name} network is a {kind}"):
        load_network(name, weights_folder)

    rewrite_card(file, architecture=kind, architecture_config={"width": 0.25, "depth": 9})
    with pytest.raises(ModelFileError, match=f"does not fit {kind}.*depth"):
        load_network(name, weights_folder)
    wider = 2 * card.architecture_config["width"]
    rewrite_card(file, architecture_config=dict(card.architecture_config) | {"width": wider})
    with pytest.raises(ModelFileError, match=rf"{name}\.safetensors.*does not fit {kind}.*size mismatch"):
        load_network(name, weights_folder)
    missing = {k: v for k, v in tensors.items() if k != "head.bias"}
    save_weights(file, missing, card)
    with pytest.raises(ModelFileError, match=r"head\.bias.*wholeface weights export"):
        load_network(name, weights_folder)

    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    with pytest.raises(ModelFileError, match="SHA-256"):
        load_network(name, weights_folder)
    file.unlink()
    with pytest.raises(ModelFileError, match=rf"{name} network are missing: .*wholeface train {name}"):
        load_network(name, weights_folder)


def test_networks_for_other_points_classes_or_crops_are_refused(small_networks, weights_folder):
    from wholeface.networks import LandmarkNet, LandmarkNetConfig, ParsingNet, ParsingNetConfig

    def save(name, network, **changes):
        card = WeightCard(
            name, "1", "d", "CC0-1.0", architecture=type(network).__name__, **changes,
            architecture_config=vars(network.config),
        )  # fmt: skip
        save_weights(weights_folder / f"{name}.safetensors", network.state_dict(), card)

    save("landmarks", LandmarkNet(LandmarkNetConfig(points=68, width=0.25, features=8)))
    with pytest.raises(ModelFileError, match=r"points = 68.*668"):
        load_detector(weights=weights_folder)
    save("landmarks", small_networks["landmarks"], preprocessing={"margin": 2.5})
    with pytest.raises(ModelFileError, match=r"margin = 2\.5"):
        load_detector(weights=weights_folder)
    save("parsing", ParsingNet(ParsingNetConfig(classes=19, width=0.25)))
    with pytest.raises(ModelFileError, match=r"classes = 19.*20"):
        load_parser(weights=weights_folder)
    save("parsing", small_networks["parsing"])
    save("eyewear", small_networks["eyewear"], preprocessing={"margin": 2.0})
    with pytest.raises(ModelFileError, match=r"margin = 2\.0"):
        load_parser(weights=weights_folder)


def test_spectacles_are_looked_for_where_there_are_weights(weights_folder):
    found = load_parser(weights=weights_folder).eyewear
    assert found is not None
    assert (found.width, found.height) == (128, 64)
    (weights_folder / "eyewear.safetensors").unlink()
    assert load_parser(weights=weights_folder).eyewear is None


def test_the_shipped_weights_are_whole_and_small():
    names = [name for name in (*NETWORKS, *METHOD_NETWORKS) if has_weights(name)]
    if not names:
        pytest.skip("no weights of networks are installed")
    for name in names:
        network, card = load_network(name)
        assert all(bool(p.isfinite().all()) for p in network.parameters())
        assert card.licence
        assert card.sources
        assert card.scores
    files = weights_file("detector").parent.glob("*.safetensors")
    assert sum(f.stat().st_size for f in files) <= 48 * 2**20


def test_importing_the_room_loads_nothing_heavy():
    code = (
        "import sys, wholeface.perceive, wholeface.perceive.shipped\n"
        "print([m for m in ('torch', 'numba', 'scipy', 'mediapipe', 'onnx', 'onnxruntime') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_errors_are_ours():
    assert issubclass(ModelFileError, WholeFaceError)
