"""Arrays packed without loss, for pickles of photos, textures and maps."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Packed", "packed", "unpacked"]

Packed = tuple[str, tuple[int, ...], bytes]
"""Type, shape and compressed bytes of an array."""


def packed(array: NDArray[Any]) -> Packed:
    """The array's type, shape and bytes, compressed by deflate.

    Neighbours of an image are alike, and so are the high bytes of a map's numbers: of uint8 images (H, W, …) the
    differences along each row are packed, of numbers of several bytes the first bytes, then the second, and so on.

    Source: the filter "Sub" of PNG (RFC 2083, section 6.3); the "shuffle" of HDF5.
    """
    values = np.ascontiguousarray(array)
    content = values
    if _is_image(values.dtype, values.shape):
        content = values.copy()
        content[:, 1:] -= values[:, :-1]
    elif values.dtype.itemsize > 1:
        content = values.reshape(-1).view(np.uint8).reshape(-1, values.dtype.itemsize).T
    return values.dtype.str, array.shape, zlib.compress(content.tobytes(), 1)


def unpacked(state: Packed) -> NDArray[Any]:
    """The writable array that :func:`packed` was given."""
    name, shape, data = state
    dtype = np.dtype(name)
    content = np.frombuffer(bytearray(zlib.decompress(data)), np.uint8)
    if _is_image(dtype, shape):
        image: NDArray[Any] = content.reshape(shape)
        return image.cumsum(axis=1, dtype=np.uint8, out=image)  # modulo 256, as the differences
    if dtype.itemsize > 1:
        content = np.ascontiguousarray(content.reshape(dtype.itemsize, -1).T).reshape(-1)
    return content.view(dtype).reshape(shape)


def _is_image(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return dtype == np.uint8 and len(shape) >= 2
