"""Attention that copies from what was generated (short) and from what the photo shows (long)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LongShortAttention"]


class LongShortAttention(nn.Module):
    r"""Self-attention whose weights also carry the encoder's features of seen pixels into the hole.

    With features X and encoder features E, both (C, P) over P pixels, queries Q = W X (keys are the queries) and a
    mask m, 1 in the hole:

    .. math::

        A_{pq} &= \mathrm{softmax}_q (Q_p \cdot Q_q) \\
        S &= \gamma\, X A^\top + X \\
        L &= \alpha\, m \odot (E A^\top) + (1 - m) \odot E

    and the output is a residual block over S and L together. γ and α begin at 0.

    Args:
        channels: C.

    Source: Zheng et al. 2019, "Pluralistic image completion" (short and long term attention), as in Yang et al. 2020,
    "Generative landmark guided face inpainting".
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query = nn.Conv2d(channels, max(1, channels // 4), 1)
        self.gamma = nn.Parameter(torch.zeros(1))
        self.alpha = nn.Parameter(torch.zeros(1))
        self.inner = nn.Sequential(
            nn.LeakyReLU(0.1),
            nn.Conv2d(2 * channels, channels, 3, padding=1),
            nn.LeakyReLU(0.1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.bypass = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, features: Tensor, encoded: Tensor, hole: Tensor) -> Tensor:
        """Attend.

        Args:
            features: (N, C, H, W), X.
            encoded: (N, C, H, W), E, of the same size.
            hole: (N, 1, H, W) in [0, 1], 1 = to be made.

        Returns:
            (N, C, H, W).
        """
        short, long = self.terms(features, encoded, hole)
        both = torch.cat([short, long], dim=1)
        out: Tensor = self.inner(both) + self.bypass(both)
        return out

    def terms(self, features: Tensor, encoded: Tensor, hole: Tensor) -> tuple[Tensor, Tensor]:
        """S and L, (N, C, H, W) each."""
        query = self.query(features).flatten(2)  # (N, c, P)
        attention = F.softmax(torch.bmm(query.transpose(1, 2), query), dim=-1)  # (N, P, P)
        # out[c, p] = sum over q of x[c, q] · attention[p, q]
        copied = torch.bmm(features.flatten(2), attention.transpose(1, 2)).view_as(features)
        context = torch.bmm(encoded.flatten(2), attention.transpose(1, 2)).view_as(encoded)
        return self.gamma * copied + features, self.alpha * hole * context + (1 - hole) * encoded
