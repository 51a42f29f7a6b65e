"""Variation of images beyond what is stored: hue, blur, lost resolution, erased regions. Nothing moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Degradation", "degrade", "erase", "occluded_by"]


@dataclass(frozen=True)
class Degradation:
    """How much images are changed.

    Args:
        hue: standard deviation of the turn of all colours about grey, radians.
        blur: share of blurred images.
        sigma: largest standard deviation of the blur, pixels.
        shrink: share of images that lose resolution.
        factor: by which they are shrunk at most.
    """

    hue: float = 0.08
    blur: float = 0.2
    sigma: float = 2.0
    shrink: float = 0.15
    factor: float = 3.0


def degrade(images: Tensor, generator: torch.Generator, settings: Degradation = Degradation()) -> Tensor:
    """Random hue, blur and loss of resolution for each image.

    Args:
        images: (N, 3, H, W) in [0, 1], on any device; may be changed in place.
        generator: CPU generator; the same state gives the same changes on every device.
        settings: how much.

    Returns:
        (N, 3, H, W) in [0, 1].
    """
    count, device = len(images), images.device
    angle = settings.hue * torch.randn(count, generator=generator)
    kind = torch.rand(count, generator=generator)
    amount = torch.rand(count, generator=generator)
    if settings.hue > 0:
        turned = torch.bmm(_hue_matrices(angle).to(device), images.flatten(2))
        images = turned.clamp_(0, 1).view_as(images)
    chosen = (kind < settings.blur).nonzero()[:, 0]
    if len(chosen):
        sigma = 0.3 + amount[chosen] * (settings.sigma - 0.3)
        where = chosen.to(device)
        images[where] = _blur(images[where], sigma)
    for index in (
        ((kind >= settings.blur) & (kind < settings.blur + settings.shrink)).nonzero()[:, 0].tolist()
    ):
        factor = 1 + float(amount[index]) * (settings.factor - 1)
        images[index : index + 1] = _shrink(images[index : index + 1], factor)
    return images


def erase(images: Tensor, generator: torch.Generator, chance: float = 0.3, largest: float = 0.45) -> Tensor:
    """Occlude a random ellipse or rectangle of some images with a colour, with noise, or with another image's part.

    Args:
        images: (N, 3, H, W) in [0, 1], on any device; changed in place.
        generator: CPU generator.
        chance: share of images in which something is erased.
        largest: axis of the region over the image's edge.

    Returns:
        (N, H, W) bool, what is occluded.

    Source: after Zhong et al. 2020, "Random erasing data augmentation", and Yun et al. 2019, "CutMix".
    """
    count, _, height, width = images.shape
    numbers = torch.rand(count, 10, generator=generator)
    rows = torch.arange(height) / height
    columns = torch.arange(width) / width
    radius = (0.04 + (largest / 2 - 0.04) * numbers[:, 2:4])[..., None]
    y = (rows - numbers[:, 0:1]) / radius[:, 0]  # (N, H), −1 … 1 inside
    x = (columns - numbers[:, 1:2]) / radius[:, 1]
    box = torch.maximum(y.abs()[:, :, None], x.abs()[:, None, :]) <= 1
    disc = (y**2)[:, :, None] + (x**2)[:, None, :] <= 1
    mask = torch.where((numbers[:, 5] < 0.5)[:, None, None], box, disc)
    mask &= (numbers[:, 4] < chance)[:, None, None]
    mask = mask.to(images.device)
    seed = int(torch.randint(2**62, (1,), generator=generator))
    local = torch.Generator(images.device).manual_seed(seed)
    original = images.clone()
    for index in (numbers[:, 4] < chance).nonzero()[:, 0].tolist():
        colour = numbers[index, 6:9].to(images).view(3, 1, 1)
        style = float(numbers[index, 9])
        if style < 0.5:
            filling = colour.expand_as(images[index])
        elif style < 0.7:
            noise = torch.rand(images[index].shape, generator=local, device=images.device, dtype=images.dtype)
            filling = noise * 0.6 + colour * 0.4
        else:
            filling = original[(index + 1) % count].flip(1)
        images[index] = torch.where(mask[index], filling, images[index])
    return mask


def occluded_by(mask: Tensor, points: Tensor) -> Tensor:
    """(N, L) bool, which points lie on the mask.

    Args:
        mask: (N, H, W) bool.
        points: (N, L, 2) x, y in pixels; outside the image, or NaN, is not occluded.
    """
    _, height, width = mask.shape
    known = points.isfinite().all(-1)
    place = torch.where(known[..., None], points, -1.0).round().long()
    inside = known & (place >= 0).all(-1) & (place[..., 0] < width) & (place[..., 1] < height)
    x, y = place[..., 0].clamp(0, width - 1), place[..., 1].clamp(0, height - 1)
    found: Tensor = mask[torch.arange(len(mask), device=mask.device)[:, None], y, x]
    return found & inside


def _hue_matrices(angle: Tensor) -> Tensor:
    """(N,) radians -> (N, 3, 3) rotations about (1, 1, 1): grey stays grey."""
    third, cos = 1 / 3, torch.cos(angle)
    sin = torch.sin(angle) / math.sqrt(3)
    same = third + (1 - third) * cos
    one, two = third * (1 - cos) - sin, third * (1 - cos) + sin
    rows = torch.stack([same, one, two, two, same, one, one, two, same], dim=-1)
    return rows.view(-1, 3, 3)


def _blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur with one sigma per image; the border is repeated."""
    reach = max(1, math.ceil(2.5 * float(sigma.max())))
    offset = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (offset / sigma[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True)).to(images)
    count, channels, height, width = images.shape
    weight = kernel.repeat_interleave(channels, dim=0)[:, None]  # (N·3, 1, K)
    flat = images.reshape(1, count * channels, height, width)
    flat = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    flat = F.conv2d(flat, weight[:, :, None], groups=count * channels)
    flat = F.conv2d(flat, weight[:, :, :, None], groups=count * channels)
    return flat.view_as(images)


def _shrink(image: Tensor, factor: float) -> Tensor:
    """(1, 3, H, W) shrunk by area and enlarged again."""
    height, width = image.shape[2:]
    small = (max(4, round(height / factor)), max(4, round(width / factor)))
    lost = F.interpolate(image, size=small, mode="area")
    return F.interpolate(lost, size=(height, width), mode="bilinear", align_corners=False)
