"""Reader of WholeFace's own face model: one safetensors file and its card."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import ModelFileError
from ..albedo import AlbedoModel
from ..embedding import Embedding
from ..model import MorphableModel
from ..source import ModelSource
from ._checked import checked
from ._files import read_bytes

__all__ = ["ASSET_FORMAT", "SHIPPED_ASSET", "card_path", "read_asset", "read_card"]

ASSET_FORMAT = "wholeface-face-model-1"
_MAX_CARD = 16 << 20
_MAX_TEXTURE, _MAX_TEXELS = 4096, 1 << 28
SHIPPED_ASSET = Path(__file__).resolve().parents[2] / "assets" / "face_model.safetensors"
Arrays = Mapping[str, NDArray[Any]]


def card_path(path: Path) -> Path:
    """Where the card of a model file lies: the same name with ``.json``."""
    return path.with_suffix(".json")


def read_card(path: str | Path) -> dict[str, Any]:
    """The card of a model file: sources, licences, shapes, hash and measured numbers.

    Raises:
        ModelFileError: the card is missing or not JSON.
    """
    file = card_path(Path(path))
    try:
        if file.stat().st_size > _MAX_CARD:
            raise ValueError(f"it is larger than {_MAX_CARD >> 20} MiB")
        card = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFileError(
            f"{file}: the model's card is missing; it must lie next to the model file"
        ) from None
    except RecursionError:
        raise ModelFileError(f"{file}: the model's card cannot be read (it is nested too deeply)") from None
    except (OSError, ValueError, MemoryError) as error:
        raise ModelFileError(f"{file}: the model's card cannot be read ({error})") from None
    if not isinstance(card, dict) or not isinstance(card.get("sha256"), str):
        raise ModelFileError(f"{file}: the model's card has no sha256 entry")
    return card


def read_asset(path: str | Path | None = None) -> MorphableModel:
    """Read a model that :func:`wholeface.lab.modelling.asset.write_asset` wrote.

    The file's SHA-256 must be the one in its card.

    Args:
        path: the ``.safetensors`` file; None = the model that WholeFace ships, read once per process
            (do not change its tensors in place).

    Returns:
        The model on the CPU in float32; exactly mirror-symmetric.

    Raises:
        ModelFileError: a file is missing, truncated, of another format, or its hash is not the card's.
    """
    if path is None:
        return _shipped()
    file = Path(path)
    card = read_card(file)
    content = read_bytes(file)
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ModelFileError(
            f"{file}: wrong SHA-256, the file is damaged or not the one its card describes;"
            f" expected {card['sha256']}, found {found}"
        )
    model = _parsed(content, file, found)
    # The shipped file is the one that the tests have checked: its hash says so.
    return model if file == SHIPPED_ASSET else checked(model, file)


def _parsed(content: bytes, file: Path, sha256: str) -> MorphableModel:
    from safetensors.numpy import load

    try:
        arrays = load(content)
        header = json.loads(arrays["header"].tobytes().decode("utf-8"))
        if not isinstance(header, dict):
            raise ModelFileError(f"{file}: its header is no mapping")
        if header["format"] != ASSET_FORMAT:
            raise ModelFileError(
                f"{file}: has the format {header['format']!r}, this version reads {ASSET_FORMAT!r}"
            )
        _check_sizes(arrays, header)
        place = "wholeface" if file == SHIPPED_ASSET else str(file.resolve())
        return _decode(arrays, header).from_source(ModelSource(place, sha256=sha256))
    except ModelFileError:
        raise
    except KeyError as error:
        raise ModelFileError(f"{file}: lacks the entry {error}") from None
    except Exception as error:
        raise ModelFileError(f"{file}: not a face model of WholeFace ({str(error)[:200]})") from None


@functools.lru_cache(maxsize=1)
def _shipped() -> MorphableModel:
    return read_asset(SHIPPED_ASSET)


def _mirrored(values: Tensor, mirror: Tensor) -> Tensor:
    return values[..., mirror, :] * values.new_tensor([-1.0, 1.0, 1.0])


def _check_sizes(arrays: Arrays, header: dict[str, Any]) -> None:
    """Refuse numbers in the header that would make arrays far larger than the file.

    Raises:
        ValueError: the header and the arrays do not fit together.
    """
    middle, left = int(header["midline"]), int(header["left"])
    if middle < 0 or left < 0 or arrays["mean"].shape != (middle + left, 3):
        raise ValueError("the mean does not have the vertices that the header announces")
    names, pairs, counts = header["expressions"], header["expression_pairs"], arrays["expression_counts"]
    if not len(pairs) == len(counts) >= len(names) / 2:
        raise ValueError("the header announces other expressions than there are")
    for both in pairs:
        if len(both) != 2 or not all(isinstance(e, int) and 0 <= e < len(names) for e in both):
            raise ValueError("an expression pair names an expression that is not there")
    if len(header["regions"]) != len(arrays["regions"]):
        raise ValueError("the header announces other regions than there are")
    counts = counts.astype(np.int64)
    if counts.min(initial=0) < 0 or int(counts.sum()) != len(arrays["expression_vertices"]):
        raise ValueError("the expressions do not have the vertices that they announce")
    if "albedo_mean" in arrays:
        size, width = int(header["albedo_size"]), int(header["albedo_stored_width"])
        if not 0 < width <= size <= _MAX_TEXTURE or arrays["albedo_mask"].size != -(-size * width // 8):
            raise ValueError("the albedo does not have the size that the header announces")
        if arrays["albedo_basis"].shape[0] * 3 * size * size > _MAX_TEXELS:
            raise ValueError("the albedo has more modes than a face model needs")


def _decode(arrays: Arrays, header: dict[str, Any]) -> MorphableModel:
    middle, left = int(header["midline"]), int(header["left"])
    count = middle + 2 * left
    order = np.arange(left)
    mirror = torch.from_numpy(np.concatenate([np.arange(middle), middle + left + order, middle + order]))
    flip = torch.tensor([-1.0, 1.0, 1.0])

    def whole(half: Tensor, parity: Tensor) -> Tensor:
        return torch.cat([half, parity[:, None, None] * half[:, middle:] * flip], dim=1)

    mean = whole(torch.from_numpy(arrays["mean"])[None], torch.ones(1))[0]
    scale = torch.from_numpy(arrays["identity_scale"])
    identity = whole(
        torch.from_numpy(arrays["identity"]).float() * scale[:, None, None],
        torch.from_numpy(arrays["identity_parity"]).float(),
    )
    names = tuple(str(n) for n in header["expressions"])
    expression = torch.zeros(len(names), count, 3)
    stops = np.cumsum(arrays["expression_counts"].astype(np.int64))
    for row, (e, partner) in enumerate(header["expression_pairs"]):
        span = slice(int(stops[row]) - int(arrays["expression_counts"][row]), int(stops[row]))
        vertices = torch.from_numpy(arrays["expression_vertices"][span].astype(np.int64))
        expression[e, vertices] = torch.from_numpy(arrays["expression"][span]).float() * float(
            arrays["expression_scale"][row]
        )
        if partner != e:
            expression[partner] = _mirrored(expression[e], mirror)
    bits = np.unpackbits(arrays["regions"], axis=1, count=count).astype(bool)
    regions = {str(n): torch.from_numpy(bits[i].copy()) for i, n in enumerate(header["regions"])}
    extras = {
        name.removeprefix("extra."): torch.from_numpy(value)
        for name, value in arrays.items()
        if name.startswith("extra.")
    }
    uv = torch.from_numpy(arrays["uv"])
    triangles = torch.from_numpy(arrays["triangles"].astype(np.int64))
    uv_triangles = torch.from_numpy(arrays["uv_triangles"].astype(np.int64))
    albedo = _decode_albedo(arrays, header, _vertex_uv(uv, uv_triangles, triangles, count))
    return MorphableModel(
        name=str(header["name"]),
        version=str(header["version"]),
        mean=mean,
        identity=identity,
        expression=expression,
        expression_names=names,
        triangles=triangles,
        uv=uv,
        uv_triangles=uv_triangles,
        mirror=mirror,
        regions=regions,
        landmarks_68=_embedding(arrays, "landmarks_68"),
        landmarks_478=_embedding(arrays, "landmarks_478"),
        albedo=albedo,
        extras=extras,
    )


def _embedding(arrays: Arrays, name: str) -> Embedding | None:
    if f"{name}.triangle" not in arrays:
        return None
    return Embedding(
        torch.from_numpy(arrays[f"{name}.triangle"].astype(np.int64)),
        torch.from_numpy(arrays[f"{name}.barycentric"]),
    )


def _vertex_uv(uv: Tensor, uv_triangles: Tensor, triangles: Tensor, count: int) -> Tensor:
    """(V, 2) one UV per vertex: on a seam, the one with the lowest index."""
    index = torch.full((count,), uv.shape[0], dtype=torch.int64)
    index.scatter_reduce_(0, triangles.flatten(), uv_triangles.flatten(), "amin")
    return uv[index.clamp(max=uv.shape[0] - 1)]


def _sampled(texture: Tensor, uv: Tensor) -> Tensor:
    """(C, V) bilinear samples of a texture (C, S, S) at (V, 2)."""
    grid = torch.stack([2.0 * uv[:, 0] - 1.0, 1.0 - 2.0 * uv[:, 1]], dim=-1)[None, None]
    picked = torch.nn.functional.grid_sample(texture[None], grid, padding_mode="border", align_corners=False)
    return picked[0, :, 0]


def _decode_albedo(arrays: Arrays, header: dict[str, Any], uv: Tensor) -> AlbedoModel | None:
    if "albedo_mean" not in arrays:
        return None
    mean_texture = torch.from_numpy(arrays["albedo_mean"]).float()
    size, width = int(header["albedo_size"]), int(header["albedo_stored_width"])
    mask = np.unpackbits(arrays["albedo_mask"], count=size * width).astype(bool)
    packed = torch.from_numpy(arrays["albedo_basis"])  # (A, 3, n) int8
    modes = packed.shape[0]
    scale = torch.from_numpy(arrays["albedo_scale"])
    texels = torch.from_numpy(np.flatnonzero(mask))
    stored = torch.zeros(modes * 3, size * width)
    stored[:, texels] = packed.flatten(0, 1).float() * scale.flatten()[:, None]
    basis = stored.view(modes, 3, size, width)
    if width != size:
        parity = torch.from_numpy(arrays["albedo_parity"]).float()[:, None, None, None]
        basis = torch.cat([parity * basis.flip(-1), basis], dim=-1)
    vertex_basis = _sampled(basis.flatten(0, 1), uv).view(modes, 3, -1).transpose(1, 2).contiguous()
    vertex_mean = _sampled(mean_texture, uv).T.contiguous()
    return AlbedoModel(header["albedo_space"], vertex_mean, vertex_basis, mean_texture, basis)
