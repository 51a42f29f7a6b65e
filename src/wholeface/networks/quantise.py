"""Smaller weight files: half precision, or 8-bit integers with one scale per output channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ..core.errors import ModelFileError

__all__ = ["STORAGES", "Storage", "pack", "unpack"]

Storage = Literal["fp32", "fp16", "int8"]
STORAGES: tuple[Storage, ...] = ("fp32", "fp16", "int8")

_SCALE = "::scale"  # suffix of the tensor that holds the scales of another one
_TOP = 127
_SHRINKS = torch.linspace(1.0, 0.7, 13)


def pack(tensors: Mapping[str, Tensor], storage: Storage) -> dict[str, Tensor]:
    r"""Tensors as they are stored.

    ``fp16`` halves every floating-point tensor whose values fit; what is smaller than 2⁻¹⁴ or larger than 65504
    anywhere (running variances, say) stays as it is. ``int8`` keeps integers :math:`q` with

    .. math:: w_{c\ldots} \approx s_c\, q_{c\ldots}, \quad q \in [-127, 127]

    for tensors of two or more dimensions (kernels, matrices), with the scale of each output channel ``c`` (first
    dimension) that makes the squared error smallest; biases and statistics stay as they are. Integers and masks
    are never changed.

    Args:
        tensors: name -> tensor.
        storage: ``fp32`` changes nothing but doubles, which become floats.

    Source: symmetric weight quantisation per channel as in Krishnamoorthi 2018, "Quantizing deep convolutional
    networks for efficient inference".
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            packed[name] = tensor
            continue
        full = tensor.detach().cpu().float()
        packed[name] = full
        if storage == "fp16" and _fits_half(full):
            packed[name] = full.half()
        elif storage == "int8" and full.ndim >= 2 and full.isfinite().all():
            packed[name], packed[name + _SCALE] = _to_int8(full)
    return packed


def unpack(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`pack`: every floating-point tensor as float32.

    Raises:
        ModelFileError: scales that belong to nothing or do not fit.
    """
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if name.endswith(_SCALE):
            if stored.get(name.removesuffix(_SCALE), tensor).dtype != torch.int8:
                raise ModelFileError(f"{name} are scales of no 8-bit tensor")
            continue
        scale = stored.get(name + _SCALE)
        if scale is not None:
            if scale.shape != tensor.shape[:1]:
                raise ModelFileError(
                    f"{name}: {tuple(scale.shape)} scales for the shape {tuple(tensor.shape)}"
                )
            tensors[name] = tensor.float() * scale.view(-1, *[1] * (tensor.ndim - 1))
        else:
            tensors[name] = tensor.float() if tensor.is_floating_point() else tensor
    return tensors


def _fits_half(tensor: Tensor) -> bool:
    size = tensor.abs()
    present = size[size > 0]
    if not len(present) or not tensor.isfinite().all():
        return bool(tensor.isfinite().all())
    # Weights near zero may vanish; a tensor that is small altogether (statistics) must not.
    return bool(size.max() <= 65504 and (tensor.ndim > 1 or present.min() >= 2**-14))


def _to_int8(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(C, …) float -> (C, …) int8 and (C,) scales, the best of some per channel."""
    rows = weight.flatten(1)
    largest = rows.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny * _TOP)
    best_scale = largest / _TOP
    best_error = torch.full_like(largest, torch.inf)
    for shrink in _SHRINKS.tolist():
        scale = largest * shrink / _TOP
        error = (_round(rows, scale) * scale[:, None] - rows).square().sum(dim=1)
        better = error < best_error
        best_scale, best_error = (
            torch.where(better, scale, best_scale),
            torch.where(better, error, best_error),
        )
    return _round(rows, best_scale).to(torch.int8).reshape(weight.shape), best_scale


def _round(rows: Tensor, scale: Tensor) -> Tensor:
    return (rows / scale[:, None]).round().clamp(-_TOP, _TOP)
