"""Writer of WholeFace's own face model: compact, deterministic, with a card.

What is stored: the half x ≥ 0 of the mean (float32) and of the identity modes (int16, with scale and parity),
one expression of each mirrored pair at the vertices that it moves (int16), packed regions, UV,
embeddings, and the albedo: float16 mean texture and int8 modes (one scale per mode and channel) on the texels
that any mode uses; modes that are their own mirror image up to sign are stored for u ≥ ½ only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UsageError
from ...morphable.albedo import AlbedoModel
from ...morphable.loaders.wholeface import ASSET_FORMAT, card_path
from ...morphable.model import MorphableModel

__all__ = ["write_asset"]

_NEGLIGIBLE_MM = 5e-4  # expression offsets below this are not stored
_SYMMETRY_MM = 1e-3


def _quantised(values: Tensor, levels: int, dims: int) -> tuple[Tensor, Tensor]:
    """Integers and scales: one scale per index of the first ``dims`` dimensions."""
    scale = values.flatten(dims).abs().amax(dim=-1).clamp(min=1e-12) / levels
    return torch.round(values / scale.view(*scale.shape, *[1] * (values.dim() - dims))), scale.float()


def _halves(model: MorphableModel) -> tuple[int, int]:
    """(M, L) of the vertex order M mirror-plane vertices, L left ones, their L mirror images."""
    if model.mirror is None:
        raise UsageError("this format stores mirror-symmetric models only; the model has no mirror index")
    own = model.mirror == torch.arange(model.vertex_count)
    middle = int(own.sum())
    left = (model.vertex_count - middle) // 2
    order = torch.arange(left)
    expected = torch.cat([torch.arange(middle), middle + left + order, middle + order])
    if not torch.equal(model.mirror, expected):
        raise UsageError("this format needs the vertex order: mirror plane, left half, mirrored left half")
    return middle, left


def _parity(values: Tensor, mirrored: Tensor, what: str, tolerance: float) -> Tensor:
    """(K,) +1 or -1: which sign the mirror image of each mode has."""
    even = (values - mirrored).flatten(1).abs().amax(dim=1)
    odd = (values + mirrored).flatten(1).abs().amax(dim=1)
    if bool((torch.minimum(even, odd) > tolerance).any()):
        raise UsageError(f"{what}: some modes are neither symmetric nor antisymmetric within {tolerance}")
    return torch.where(even <= odd, 1.0, -1.0)


def write_asset(path: str | Path, model: MorphableModel, card: Mapping[str, Any]) -> dict[str, Any]:
    """Write ``path`` (safetensors) and its card (the same name with ``.json``).

    Args:
        path: where to write.
        model: vertices in the order mirror plane, left half, mirrored left half;
            modes symmetric or antisymmetric.
        card: what the card should say; shapes, hash, size and quantisation errors are added.

    Returns:
        The card as written.

    Raises:
        UsageError: the model is not mirror-symmetric or lacks UV.
    """
    from safetensors.numpy import save

    if model.uv is None or model.uv_triangles is None or model.mirror is None:
        raise UsageError("this format needs a model with UV and a mirror index")
    if max(model.vertex_count, model.uv.shape[0]) > 65535:
        raise UsageError("this format holds up to 65,535 vertices")
    middle, left = _halves(model)
    flip = torch.tensor([-1.0, 1.0, 1.0])
    half = middle + left
    arrays: dict[str, NDArray[Any]] = {"mean": model.mean[:half].float().numpy()}
    quantised, scale = _quantised(model.identity[:, :half], 32767, 1)
    parity = _parity(model.identity, model.identity[:, model.mirror] * flip, "identity", _SYMMETRY_MM)
    arrays |= {
        "identity": quantised.to(torch.int16).numpy(),
        "identity_scale": scale.numpy(),
        "identity_parity": parity.to(torch.int8).numpy(),
    }
    pairs = _expression_pairs(model)
    arrays |= _expressions(model, pairs)
    arrays |= {
        "triangles": model.triangles.numpy().astype(np.uint16),
        "uv": model.uv.float().numpy(),
        "uv_triangles": model.uv_triangles.numpy().astype(np.uint16),
        "regions": np.packbits(torch.stack(list(model.regions.values())).numpy(), axis=1),
    }
    for name, embedding in (("landmarks_68", model.landmarks_68), ("landmarks_478", model.landmarks_478)):
        if embedding is not None:
            arrays[f"{name}.triangle"] = embedding.triangle.numpy().astype(np.int32)
            arrays[f"{name}.barycentric"] = embedding.barycentric.float().numpy()
    arrays |= {f"extra.{name}": value.numpy() for name, value in model.extras.items()}
    header: dict[str, Any] = {
        "format": ASSET_FORMAT,
        "name": model.name,
        "version": model.version,
        "midline": middle,
        "left": left,
        "expressions": list(model.expression_names),
        "expression_pairs": pairs,
        "regions": list(model.regions),
    }
    if model.albedo is not None:
        stored, entries = _albedo(model.albedo)
        arrays |= stored
        header |= entries
    arrays["header"] = np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8)
    content = save({name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)})
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    written = dict(card) | {
        "format": ASSET_FORMAT,
        "name": model.name,
        "version": model.version,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "quantisation_max_mm": {
            "identity": round(float(scale.max()) / 2.0, 6),
            "expression": round(max(float(arrays["expression_scale"].max()) / 2.0, _NEGLIGIBLE_MM), 6),
        },
        "shapes": {name: list(array.shape) for name, array in sorted(arrays.items()) if name != "header"},
    }
    text = json.dumps(written, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    card_path(file).write_text(text, encoding="utf-8")
    return written


def _expression_pairs(model: MorphableModel) -> list[list[int]]:
    """[stored, mirrored] expression indices; an expression without a mirrored partner is stored in full."""
    assert model.mirror is not None
    mirrored = model.expression[:, model.mirror] * torch.tensor([-1.0, 1.0, 1.0])
    flat = model.expression.flatten(1)
    pairs: list[list[int]] = []
    taken: set[int] = set()
    for e in range(model.expression_size):
        if e in taken:
            continue
        distance = (flat - mirrored[e].flatten()).abs().amax(dim=1)
        partner = int(distance.argmin())
        if partner in taken or float(distance[partner]) > _SYMMETRY_MM:
            partner = e
        taken |= {e, partner}
        pairs.append([e, partner])
    return pairs


def _expressions(model: MorphableModel, pairs: list[list[int]]) -> dict[str, NDArray[Any]]:
    counts, scales, vertices, values = [], [], [], []
    for e, _ in pairs:
        offsets = model.expression[e]
        moved = torch.nonzero(offsets.abs().amax(dim=1) > _NEGLIGIBLE_MM)[:, 0]
        integers, scale = (
            _quantised(offsets[moved][None], 32767, 1)
            if len(moved)
            else (offsets[None, moved], torch.ones(1))
        )
        counts.append(len(moved))
        scales.append(float(scale[0]))
        vertices.append(moved.numpy().astype(np.uint16))
        values.append(integers[0].to(torch.int16).numpy())
    return {
        "expression_counts": np.array(counts, dtype=np.int32),
        "expression_scale": np.array(scales, dtype=np.float32),
        "expression_vertices": np.concatenate(vertices),
        "expression": np.concatenate(values),
    }


def _albedo(albedo: AlbedoModel) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    if albedo.mean_texture is None or albedo.basis_texture is None:
        raise UsageError("this format stores albedo in UV space; the model has it per vertex only")
    basis = albedo.basis_texture.float()
    size = int(basis.shape[-1])
    arrays: dict[str, NDArray[Any]] = {}
    tolerance = 1e-3 * float(basis.abs().max())
    width = size
    try:
        parity = _parity(basis, basis.flip(-1), "albedo", tolerance)
        width = size // 2
        arrays["albedo_parity"] = parity.to(torch.int8).numpy()
    except UsageError:
        pass  # not mirror-symmetric: stored in full
    stored = basis[..., size - width :]
    mask = (stored != 0).flatten(0, 1).any(dim=0)
    integers, scale = _quantised(stored[..., mask], 127, 2)
    arrays |= {
        "albedo_mean": albedo.mean_texture.half().numpy(),
        "albedo_basis": integers.to(torch.int8).numpy(),
        "albedo_scale": scale.numpy(),
        "albedo_mask": np.packbits(mask.numpy()),
    }
    return arrays, {"albedo_space": albedo.space, "albedo_size": size, "albedo_stored_width": width}
