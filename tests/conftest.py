"""Fixtures that every room's tests may use."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch

from wholeface import Reconstruction
from wholeface.morphable import AlbedoModel, Embedding, MorphableModel, Parameters
from wholeface.perceive import FaceLandmarks
from wholeface.photo import Photo, read_photo
from wholeface.render import Camera, ambient_light
from wholeface.result.quality import judge
from wholeface.stages import DeoccludedImage
from wholeface.stages.texture import CompletedTexture

# The same examples on every run of CI; elsewhere hypothesis keeps looking for new ones.
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

# Side by side (pytest -n), each worker computes on its share of the cores, and so do the processes that it starts.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _WORKERS > 1:
    _SHARE = max(1, (os.cpu_count() or 1) // _WORKERS)
    os.environ["OMP_NUM_THREADS"] = str(_SHARE)
    torch.set_num_threads(_SHARE)

_ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The source material: $WHOLEFACE_SHARED, or ``shared`` beside the repository; skips where absent."""
    folder = Path(os.environ.get("WHOLEFACE_SHARED", _ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the source material: no folder {folder / 'data'} (set WHOLEFACE_SHARED)")
    return folder


@pytest.fixture
def rng() -> torch.Generator:
    """A generator with a fixed seed, fresh for every test."""
    return torch.Generator().manual_seed(20240607)


@pytest.fixture(scope="session")
def small_model() -> MorphableModel:
    """An egg with a nose: 290 vertices, 576 triangles, closed, exactly mirror-symmetric, no part missing.

    Poles at the crown and under the chin, 12 rings of 24 vertices; the UV seam runs down the back of the
    head, so there are more UV points than vertices. 6 identity, 5 expression and 4 albedo modes; 68 and 478
    landmarks on the front (three of the 478 have no place: NaN).
    """
    return _egg()


@pytest.fixture(scope="session")
def egg() -> Callable[[int, int], MorphableModel]:
    """The factory of :func:`small_model`: ``egg(rings, columns)``, with an even number of columns."""
    return _egg


def _egg(rings: int = 12, columns: int = 24) -> MorphableModel:
    # Column c lies at angle 2πc/columns from the back of the head (c = 0), so mirroring x maps c to −c.
    elevation = math.pi * (torch.arange(1, rings + 1, dtype=torch.float64) / (rings + 1))
    angle = 2 * math.pi * torch.arange(columns, dtype=torch.float64) / columns
    direction = torch.stack(
        [
            (torch.sin(elevation)[:, None] * -torch.sin(angle)[None]),
            torch.cos(elevation)[:, None].expand(rings, columns),
            torch.sin(elevation)[:, None] * -torch.cos(angle)[None],
        ],
        dim=-1,
    ).reshape(-1, 3)
    poles = torch.tensor([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]], dtype=torch.float64)
    direction = torch.cat([direction, poles])  # (V, 3)
    count = direction.shape[0]
    mirror_column = (-torch.arange(columns)) % columns
    mirror = torch.cat(
        [
            (torch.arange(rings)[:, None] * columns + mirror_column[None]).reshape(-1),
            torch.tensor([count - 2, count - 1]),
        ]
    )
    direction[:, 0] = (direction[:, 0] - direction[mirror, 0]) / 2  # exactly symmetric in the last bit
    direction[:, 1:] = (direction[:, 1:] + direction[mirror, 1:]) / 2

    def bump(centre: tuple[float, float, float], width: float) -> torch.Tensor:
        centre_direction = torch.nn.functional.normalize(torch.tensor(centre, dtype=torch.float64), dim=0)
        return torch.exp(-((direction - centre_direction) ** 2).sum(-1) / (2 * width**2))

    def both(centre: tuple[float, float, float], width: float) -> torch.Tensor:
        left = bump(centre, width)
        return left + left[mirror]

    front, up, side = (torch.tensor(v, dtype=torch.float64) for v in ((0, 0, 1), (0, 1, 0), (1, 0, 0)))
    nose, mouth, eye = bump((0, -0.05, 1), 0.15), bump((0, -0.5, 1), 0.2), (0.35, 0.25, 0.9)
    mean = direction * torch.tensor([75.0, 110.0, 90.0], dtype=torch.float64) + 18 * nose[:, None] * front
    symmetric_side = direction * side
    identity = torch.stack(
        [
            4.0 * direction * front,
            3.5 * symmetric_side,
            3.0 * direction * up,
            2.5 * nose[:, None] * front,
            2.0 * both((0.6, -0.2, 0.7), 0.3)[:, None] * front,
            1.5 * bump((0, -1, 0.5), 0.4)[:, None] * (front - up),
        ]
    )
    smile = bump((0.3, -0.45, 0.9), 0.2)[:, None] * (6 * up + 4 * side)
    mirrored = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    blink = bump(eye, 0.12)[:, None] * (-4 * up)
    expression = torch.stack(
        [
            -14.0 * bump((0, -0.9, 0.6), 0.35)[:, None] * up,
            smile,
            smile[mirror] * mirrored,
            blink,
            blink[mirror],
        ]
    )

    # Triangles and UV: one extra UV column for the seam, one UV point per triangle at the poles.
    triangles, uv_triangles, uv = [], [], []
    for row in range(rings):
        uv += [(c / columns, 1 - (row + 1) / (rings + 1)) for c in range(columns + 1)]
    for c in range(columns):
        d = (c + 1) % columns
        for row in range(rings - 1):
            a, b, low_a, low_b = (
                row * columns + c,
                row * columns + d,
                (row + 1) * columns + c,
                (row + 1) * columns + d,
            )
            ua, low_ua = row * (columns + 1) + c, (row + 1) * (columns + 1) + c
            triangles += [(a, low_a, b), (b, low_a, low_b)]
            uv_triangles += [(ua, low_ua, ua + 1), (ua + 1, low_ua, low_ua + 1)]
        last, last_uv = (rings - 1) * columns, (rings - 1) * (columns + 1)
        triangles += [(count - 2, c, d), (count - 1, last + d, last + c)]
        uv_triangles += [(len(uv), c, c + 1), (len(uv) + 1, last_uv + c + 1, last_uv + c)]
        uv += [((c + 0.5) / columns, 1.0), ((c + 0.5) / columns, 0.0)]
    tri = torch.tensor(triangles)

    def on_front(size: int) -> Embedding:
        centroid = mean[tri].mean(dim=1)
        facing = (centroid[:, 2] > 30).nonzero()[:, 0]
        generator = torch.Generator().manual_seed(size)
        weights = torch.rand(size, 3, generator=generator, dtype=torch.float64) + 0.2
        return Embedding(
            facing[torch.arange(size) * 7 % len(facing)], weights / weights.sum(-1, keepdim=True)
        )

    landmarks_478 = on_front(478)
    landmarks_478.barycentric[[10, 200, 477]] = float("nan")

    skin = torch.ones(count, dtype=torch.bool)
    eyeballs, teeth = both(eye, 0.2) > 0.5, mouth > 0.6
    face = (direction[:, 2] > 0.3) & (direction[:, 1] > -0.85) & (direction[:, 1] < 0.75)
    regions = {
        "skin": skin & ~eyeballs & ~teeth,
        "face": face & ~eyeballs & ~teeth,
        "brows": both((0.35, 0.6, 0.85), 0.2) > 0.4,
        "lids": (both(eye, 0.2) > 0.1) & ~eyeballs,
        "nose": nose > 0.4,
        "lips": (mouth > 0.15) & ~teeth,
        "ears": direction[:, 0].abs() > 0.95,
        "neck": direction[:, 1] < -0.9,
        "scalp": direction[:, 1] > 0.75,
        "inner_mouth": teeth.clone(),
        "teeth": teeth,
        "eyeballs": eyeballs,
    }
    size, coarse = 32, 16
    rows = 1 - (torch.arange(size, dtype=torch.float64) + 0.5) / size
    colour = torch.tensor([-0.9, -1.4, -1.7], dtype=torch.float64)
    modes = torch.tensor(
        [[0.2, 0.2, 0.2], [0.05, -0.03, -0.06], [0.1, 0.0, 0.0], [0.0, 0.0, 0.1]], dtype=torch.float64
    )
    weight = torch.stack([torch.ones(count, dtype=torch.float64), 1 + nose, mouth, direction[:, 1]])
    albedo = AlbedoModel(
        "log",
        colour + 0.1 * direction[:, 1:2],
        modes[:, None] * weight[..., None],
        colour[:, None, None] + 0.1 * (2 * rows - 1)[None, :, None].expand(3, size, size),
        modes[:, :, None, None].expand(4, 3, coarse, coarse).clone(),
    )
    return MorphableModel(
        name="egg",
        version="1",
        mean=mean,
        identity=identity,
        expression=expression,
        expression_names=("jawOpen", "mouthSmile_L", "mouthSmile_R", "eyeBlink_L", "eyeBlink_R"),
        triangles=tri,
        uv=torch.tensor(uv, dtype=torch.float64),
        uv_triangles=torch.tensor(uv_triangles),
        mirror=mirror,
        regions=regions,
        landmarks_68=on_front(68),
        landmarks_478=landmarks_478,
        albedo=albedo,
    ).to(dtype=torch.float32)


@pytest.fixture
def plain_head(small_model: MorphableModel) -> Callable[..., Reconstruction]:
    """``plain_head(photo=…, …)``: a reconstruction of a grey photo with the egg, which is saved in milliseconds.

    Keywords replace fields of :class:`wholeface.Reconstruction`.
    """

    def make(**changed: object) -> Reconstruction:
        photo = changed.get("photo") or read_photo(np.full((48, 40, 3), 90, np.uint8))
        assert isinstance(photo, Photo)
        shape = photo.pixels.shape[:2]
        region = np.zeros(shape, bool)
        region[10:40, 8:32] = True
        provenance = np.ones((16, 16), np.uint8)
        texture = CompletedTexture(
            *(np.full((16, 16, 3), 120, np.uint8), provenance, np.full((16, 16), 0.5, np.float32)),
            *(np.zeros((9, 3), np.float32), np.ones(3, np.float32)),
            *(np.zeros((small_model.vertex_count, 3), np.float32), np.ones(3, np.float32), False, 1.0),
        )
        points = np.stack(np.meshgrid(np.linspace(10, 30, 17), np.linspace(12, 38, 4)), -1).reshape(-1, 2)
        fields: dict[str, object] = {
            "photo": photo,
            "landmarks": FaceLandmarks.from_points(points, "ibug68"),
            "model": small_model,
            "parameters": Parameters(
                identity=torch.zeros(small_model.identity_size),
                expression=torch.linspace(0, 0.4, small_model.expression_size),
                albedo=torch.zeros(small_model.albedo_size),
                light=ambient_light(),
                rotation=torch.zeros(3),
                translation=torch.tensor([0.0, 0.0, -600.0]),
            ),
            "camera": Camera.of_photo(shape[1], shape[0]),
            "occluder": np.zeros(shape, np.float32),
            "face_region": region,
            "completed": texture,
            "quality": judge(face_px=30.0, landmark_error=0.0, hidden_fraction=0.0, yaw_deg=0.0),
            "image": DeoccludedImage(photo.pixels, np.zeros(shape, np.uint8)),
        }
        head = Reconstruction(**{**fields, **changed})  # type: ignore[arg-type]
        head.__dict__["preview"] = np.full((8, 8, 3), 60, np.uint8)  # what its cached property would fill
        return head

    return make


def randomise(network: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Weights, biases and running statistics like those of a trained network rather than of a fresh one."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            count = module.num_features
            module.weight.data = 0.3 + 0.6 * torch.rand(count, generator=generator)
            module.bias.data = 0.2 * torch.randn(count, generator=generator)
            module.running_mean = 0.2 * torch.randn(count, generator=generator)
            module.running_var = 0.5 + torch.rand(count, generator=generator)
        elif isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            fan_in = module.weight[0].numel()
            module.weight.data = torch.randn(module.weight.shape, generator=generator) * (2 / fan_in) ** 0.5
            if module.bias is not None:
                module.bias.data = 0.1 * torch.randn(module.bias.shape, generator=generator)
    return network


@pytest.fixture(scope="session")
def small_networks() -> dict[str, torch.nn.Module]:
    """One small network of each kind, as if trained."""
    from wholeface import networks as n

    made = {
        "deocclusion": n.DeocclusionNet(n.DeocclusionNetConfig(input_size=64, width=16, dilations=(1, 2))),
        "detector": n.DetectorNet(n.DetectorNetConfig(width=0.25)),
        "eyewear": n.EyewearNet(n.EyewearNetConfig(width=0.25, input_width=128, input_height=64)),
        "landmarks": n.LandmarkNet(n.LandmarkNetConfig(width=0.25, features=24, input_size=64)),
        "parsing": n.ParsingNet(n.ParsingNetConfig(width=0.25, input_size=96)),
    }
    return {name: randomise(network, i).eval() for i, (name, network) in enumerate(made.items())}


@pytest.fixture
def weights_folder(small_networks: dict[str, torch.nn.Module], tmp_path: Path) -> Path:
    """A folder as the shipped one, with the small networks."""
    from wholeface.networks.weights import WeightCard, save_weights

    folder = tmp_path / "weights"
    for name, network in small_networks.items():
        config = asdict(network.config)
        kind = type(network).__name__
        card = WeightCard(name, "1", "made up", "CC0-1.0", architecture=kind, architecture_config=config)
        state = {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}
        save_weights(folder / f"{name}.safetensors", state, card, storage="fp32")
    return folder
