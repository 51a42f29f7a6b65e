"""Loops over texels."""

from __future__ import annotations

import numpy as np

from ....core.jit import njit
from ....core.kernels import smoothstep_at

__all__ = ["join", "sample_bump"]


@njit(cache=True, nogil=True, fastmath={"nsz", "arcp", "contract", "afn", "reassoc"})
def sample_bump(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, points, normals, intrinsics, depth, weight, height, trust, code,
    value, quality, sure, source,
):  # fmt: skip
    """The bump map at surface points: height in mm, weight × visibility × angle, confidence, provenance."""
    focal, cx, cy = intrinsics[0], intrinsics[1], intrinsics[2]
    h, w = depth.shape
    for n in range(first, last):
        value[n] = 0.0
        quality[n] = 0.0
        sure[n] = 0.0
        source[n] = 0
        t = triangle[n]
        i, j, k = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        a, b, c = barycentric[n, 0], barycentric[n, 1], barycentric[n, 2]
        px = a * points[i, 0] + b * points[j, 0] + c * points[k, 0]
        py = a * points[i, 1] + b * points[j, 1] + c * points[k, 1]
        pz = a * points[i, 2] + b * points[j, 2] + c * points[k, 2]
        if pz > -1.0:
            continue
        u = cx - focal * px / pz
        v = cy + focal * py / pz
        if not (u >= 0.0 and v >= 0.0 and u <= w - 1.0 and v <= h - 1.0):
            continue
        x = a * normals[i, 0] + b * normals[j, 0] + c * normals[k, 0]
        y = a * normals[i, 1] + b * normals[j, 1] + c * normals[k, 1]
        z = a * normals[i, 2] + b * normals[j, 2] + c * normals[k, 2]
        inverse = 1.0 / np.sqrt((x * x + y * y + z * z) * (px * px + py * py + pz * pz) + 1e-20)
        cosine = -(x * px + y * py + z * pz) * inverse
        if cosine <= 0.1:
            continue
        u0, v0 = min(int(u), w - 2), min(int(v), h - 2)
        fu, fv = u - u0, v - v0
        tolerance = 1.0 + 1.5 * (-pz / focal) / cosine
        closest = np.inf
        for dv in range(2):
            for du in range(2):
                closest = min(closest, abs(depth[v0 + dv, u0 + du] + pz))
        if closest > tolerance:
            continue
        q, s, e, best = 0.0, 0.0, 0.0, 0.0
        for dv in range(2):
            for du in range(2):
                share = (fu if du else 1.0 - fu) * (fv if dv else 1.0 - fv) * weight[v0 + dv, u0 + du]
                q += share
                s += share * height[v0 + dv, u0 + du]
                e += share * trust[v0 + dv, u0 + du]
                if share > best:
                    best = share
                    source[n] = code[v0 + dv, u0 + du]
        if q <= 1e-4:
            source[n] = 0
            continue
        value[n] = s / q
        sure[n] = e / q
        quality[n] = q * min(1.0, (cosine - 0.1) / 0.4)


@njit(cache=True, nogil=True)
def join(  # type: ignore[no-untyped-def]
    first, last, triangle, barycentric, triangles, offset, fade, own, own_quality, own_sure, own_source,
    image, image_quality, image_sure, image_source, over_examples, mirrored_trust, height, confidence, provenance,
):  # fmt: skip
    """Seen over mirrored over nothing; where over_examples, what was mirrored lies over what was filled in."""
    for n in range(first, last):
        t = triangle[n]
        here = smoothstep_at(0.05, 0.5, own_quality[n])
        there = smoothstep_at(0.05, 0.5, image_quality[n])
        if over_examples and own_source[n] == 5 and image_source[n] == 1:
            here *= 1.0 - there
        c, inside = 0.0, 0.0
        for k in range(3):
            c += barycentric[n, k] * offset[triangles[t, k]]
            inside += barycentric[n, k] * fade[triangles[t, k]]
        rest = (1.0 - here) * there
        height[n] = inside * (here * own[n] + rest * (image[n] + c))
        confidence[n] = here * own_sure[n] + rest * mirrored_trust * image_sure[n]
        if here >= 0.5:
            provenance[n] = own_source[n]
        elif there >= 0.5:
            provenance[n] = 2 if image_source[n] == 1 else image_source[n]
        else:
            provenance[n] = 3
