"""How well a few numbers describe the skin of subjects whom the statistics have not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....core.srgb import encode_srgb
from .ppca import Ppca, complete, fit_ppca, posterior
from .statistics import symmetric_modes

__all__ = ["held_out_errors"]

Array = NDArray[Any]


def held_out_errors(
    samples: Array, weight: Array, importance: Array, count: Array, area: Array, pairs: Array, seed: int
) -> dict[str, Any]:
    """RMS error in sRGB units (0 to 255) of held-out subjects with 0, 10, 20, 40 and 78 modes.

    One portrait in ten and one avatar in seven are left out, the statistics are learned again from the
    others on a symmetric tenth of the texels, and the modes are fitted to the left-out subjects' known
    texels with noise of 0.1 in log units as the prior asks.

    Args:
        samples: (N, T, 3) log albedo, portraits first.
        weight: (N, T).
        importance: (N,).
        count: (2,) number of portraits and of avatars.
        area: (T,) mm².
        pairs: (T,) mirror images.
        seed: of the split.
    """
    rng = np.random.default_rng(seed)
    n = len(samples)
    portrait, avatar = np.arange(count[0]), count[0] + np.arange(count[1])
    out = np.zeros(n, dtype=bool)
    out[rng.permutation(portrait)[: max(1, count[0] // 10)]] = True
    out[rng.permutation(avatar)[: max(1, count[1] // 7)]] = True
    some = np.zeros(samples.shape[1], dtype=bool)
    some[::20] = True
    some |= some[pairs]
    index = np.cumsum(some) - 1
    inner_pairs = index[pairs[some]]
    x, w, a = samples[:, some], weight[:, some], area[some]
    k = min(30, int((~out).sum()) - 2)
    ppca = fit_ppca(x[~out], w[~out], k, importance=importance[~out], iterations=6, seed=seed)
    modes = symmetric_modes(complete(ppca, x[~out], w[~out]), importance[~out], a, inner_pairs, 78)
    result: dict[str, Any] = {"portraits": int(out[portrait].sum()), "avatars": int(out[avatar].sum())}
    for label, members in (("portraits", portrait), ("avatars", avatar)):
        chosen = members[out[members]]
        errors = {}
        for modes_used in (0, 10, 20, 40, 78):
            fitted = np.broadcast_to(modes.mean, x[chosen].shape)
            if modes_used:
                model = Ppca(modes.mean, modes.basis[:modes_used], 0.1**2)
                z, _ = posterior(model, x[chosen], w[chosen])
                fitted = modes.mean + np.einsum("nk,ktc->ntc", z, model.loadings, optimize=True)
            difference = 255 * (encode_srgb(np.exp(fitted)) - encode_srgb(np.exp(x[chosen])))
            known = w[chosen] * a
            errors[str(modes_used)] = round(
                float(np.sqrt((known[..., None] * difference**2).sum() / (3 * known.sum()))), 2
            )
        result[f"{label}_rms_srgb"] = errors
    return result
