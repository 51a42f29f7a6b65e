"""Parameter vectors of mirrored crops."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ....core.errors import UsageError
from ....core.short_repr import short_repr
from ....morphable import MorphableModel, ParameterLayout

__all__ = ["ParameterMirror"]

_SAME = 0.8  # correlation from which a mirrored mode is another one


@dataclass(frozen=True)
class ParameterMirror:
    """What becomes of a vector of :func:`wholeface.stages.shape.crop_layout.complete_layout` in a mirrored crop.

    Args:
        source: (M,) int64, the entry that takes the place of each one.
        sign: (M,) ±1, its factor.
    """

    source: Tensor
    sign: Tensor

    __repr__ = short_repr

    @staticmethod
    def of(model: MorphableModel, layout: ParameterLayout) -> ParameterMirror:
        """From a model whose modes are symmetric, antisymmetric, or come in pairs.

        Args:
            model: with a ``mirror`` table.
            layout: of the vector.

        Raises:
            UsageError: the model has no mirror table, or a mode has no mirror image among the others.
        """
        if model.mirror is None or model.albedo is None:
            raise UsageError(f"face model {model.name!r} does not say how its vertices are mirrored")
        flip = model.mean.new_tensor([-1.0, 1.0, 1.0])
        known = {
            "identity": _matched(model.identity, model.identity[:, model.mirror] * flip),
            "expression": _matched(model.expression, model.expression[:, model.mirror] * flip),
            "albedo": _matched(model.albedo.basis, model.albedo.basis[:, model.mirror]),
            # x, xy and xz change their signs, in each of three channels
            "light": (
                torch.arange(27),
                torch.tensor([1.0, 1, 1, -1, -1, 1, 1, -1, 1]).repeat_interleave(3),
            ),
            "rotation": (torch.arange(3), torch.tensor([1.0, -1, -1])),
            "shift": (torch.arange(2), torch.tensor([-1.0, 1])),
        }
        sources, signs, start = [], [], 0
        for name, size in layout.blocks:
            source, sign = known.get(name, (torch.arange(size), torch.ones(size)))
            sources.append(start + source)
            signs.append(sign.float())
            start += size
        return ParameterMirror(torch.cat(sources), torch.cat(signs))

    def __call__(self, vector: Tensor, mirrored: Tensor) -> Tensor:
        """The vectors (N, M), mirrored where (N,) says so."""
        return torch.where(mirrored[:, None], vector[:, self.source] * self.sign, vector)


def _matched(modes: Tensor, mirrored: Tensor) -> tuple[Tensor, Tensor]:
    """(K,) which mode each mirrored one is, and with which sign."""
    one, other = (m.flatten(1).double() for m in (modes, mirrored))
    likeness = (other @ one.T) / (other.norm(dim=1)[:, None] * one.norm(dim=1))
    best = likeness.abs().argmax(dim=1)
    value = likeness.gather(1, best[:, None])[:, 0]
    if bool((value.abs() < _SAME).any()):
        raise UsageError("a mode of the face model has no mirror image among its modes")
    return best, value.sign()
