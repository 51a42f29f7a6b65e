"""From coarse to fine colours of a mesh's vertices, by graph convolutions alone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...core.errors import UsageError
from .chebyshev import ChebyshevConv
from .mesh_graph import MeshGraph

__all__ = ["TextureGraphNet", "TextureGraphNetConfig"]


@dataclass(frozen=True)
class TextureGraphNetConfig:
    """Size of the texture graph network. As it stands: the compact one.

    Args:
        features: numbers per vertex beside its colour: what is known of it.
        channels: width at each level of the hierarchy, the finest first; so many levels it has.
        order: K of the Chebyshev filters.
        refiner: width of the branch that stays at the finest level.
        refiner_layers: its convolutions.
        limit: largest change of a log colour.
        vertices: of the finest mesh on which it learned; the weights work on every mesh, but are good for that one.
            0: none in particular.
    """

    features: int = 9
    channels: tuple[int, ...] = (16, 32, 64, 96, 128)
    order: int = 3
    refiner: int = 16
    refiner_layers: int = 2
    limit: float = 1.5
    vertices: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))  # JSON knows lists only
        if len(self.channels) < 1 or self.refiner_layers < 1:
            raise UsageError("a texture graph network needs at least one level and one layer of the refiner")

    @staticmethod
    def full(features: int = 9, vertices: int = 0) -> TextureGraphNetConfig:
        """For a GPU: filters of order 6, four times as wide."""
        return TextureGraphNetConfig(features, (64, 128, 256, 256, 512), 6, 64, 4, vertices=vertices)


class _Residual(nn.Module):
    """Two convolutions beside a straight way."""

    def __init__(self, inputs: int, outputs: int, order: int) -> None:
        super().__init__()
        self.first = ChebyshevConv(inputs, outputs, order)
        self.second = ChebyshevConv(outputs, outputs, order)
        self.straight = nn.Identity() if inputs == outputs else ChebyshevConv(inputs, outputs, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, graph: MeshGraph, level: int) -> Tensor:
        laplacian = graph.laplacians[level]
        y = self.second(F.leaky_relu(self.first(x, laplacian), 0.1), laplacian)
        straight = x if isinstance(self.straight, nn.Identity) else self.straight(x, laplacian)
        return F.leaky_relu(straight + y, 0.1)


class TextureGraphNet(nn.Module):
    r"""Coarse vertex colours in, fine ones out: :math:`T_{fin} = T_{coa} + \Delta` in log colours.

    A *refiner* looks at the finest mesh alone, a graph *encoder* and *decoder* at the whole face through the
    levels of a mesh hierarchy, and a *combination* of both gives the residual Δ. Lin et al. feed their decoder
    with a face-recognition network's embedding; here the encoder does. So there are neither fully connected nor
    image convolution layers. The last layer begins at zero: untrained, the network changes nothing.

    Args:
        config: sizes.

    Source: Lin et al. 2020, "Towards High-Fidelity 3D Face Reconstruction from In-the-Wild Images Using Graph
    Convolutional Networks", §3.2, as used by Zhao & Qi.
    """

    def __init__(self, config: TextureGraphNetConfig) -> None:
        super().__init__()
        self.config = config
        widths, order = config.channels, config.order
        inputs = 3 + config.features
        self.encoder = nn.ModuleList(
            _Residual(before, width, order) for before, width in zip((inputs, *widths[:-1]), widths)
        )
        self.decoder = nn.ModuleList(
            _Residual(widths[level + 1] + widths[level], widths[level], order)
            for level in range(len(widths) - 2, -1, -1)
        )
        self.refiner = nn.ModuleList(
            _Residual(inputs if layer == 0 else config.refiner, config.refiner, order)
            for layer in range(config.refiner_layers)
        )
        self.combine = _Residual(widths[0] + config.refiner, config.refiner, order)
        self.residual = ChebyshevConv(config.refiner, 3, 1)
        nn.init.zeros_(self.residual.weight)

    def forward(self, colours: Tensor, features: Tensor, graph: MeshGraph) -> Tensor:
        """Fine colours.

        Args:
            colours: (N, V, 3) natural logarithms of linear-light colours.
            features: (N, V, config.features) what is known of each vertex.
            graph: of a hierarchy with at least ``len(config.channels)`` levels, the finest of V vertices.

        Returns:
            (N, V, 3) logarithms, within ``config.limit`` of ``colours``.

        Raises:
            UsageError: shapes that do not fit.
        """
        if len(graph.laplacians) < len(self.encoder):
            raise UsageError(
                f"the network has {len(self.encoder)} levels, the mesh hierarchy only {len(graph.laplacians)}"
            )
        if colours.shape[1] != graph.sizes[0] or features.shape[-1] != self.config.features:
            raise UsageError(
                f"colours of {tuple(colours.shape)} and features of {tuple(features.shape)} do not fit "
                f"{graph.sizes[0]} vertices and {self.config.features} features"
            )
        x = torch.cat([colours, features], dim=-1).transpose(0, 1)  # (V, N, 3 + F)
        fine = x
        for layer in self.refiner:
            fine = layer(fine, graph, 0)
        passed = []
        for level, layer in enumerate(self.encoder):
            if level:
                x = graph.down[level - 1](x)
            x = layer(x, graph, level)
            passed.append(x)
        for layer, level in zip(self.decoder, range(len(passed) - 2, -1, -1)):
            x = layer(torch.cat([graph.up[level](x), passed[level]], dim=-1), graph, level)
        change = self.residual(self.combine(torch.cat([x, fine], dim=-1), graph, 0), graph.laplacians[0])
        limit = self.config.limit
        return colours + limit * torch.tanh(change / limit).transpose(0, 1)
