"""Basel Face Models 2017 and 2019 in Statismo's HDF5 layout."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.errors import ModelFileError
from ..albedo import AlbedoModel
from ..model import MorphableModel
from ..priors import ExpressionPrior
from ._checked import checked
from ._files import finite, floats, indices, most_unpacked, parsing, read_bytes
from ._mesh import at_vertices, oriented, read_landmark_vertices, tensor

__all__ = ["load_bfm17"]


@np.errstate(over="ignore", invalid="ignore")  # what does not stay finite is refused at the end
def load_bfm17(
    path: str | os.PathLike[str], *, landmarks: str | os.PathLike[str] | None = None
) -> MorphableModel:
    r"""Basel Face Model 2017 or 2019, any crop (``face12``, ``bfm``, ``fullHead``), millimetres.

    .. math:: v = \mu_s + \mu_e + \sum_i \alpha_i \sqrt{\lambda_i} U_i + \sum_j \epsilon_j
    \sqrt{\kappa_j} W_j

    The file's bases are orthonormal with variances beside them; the modes here are one standard
    deviation each. The small mean of the expression model is part of ``mean``. The noise variance of
    the probabilistic PCA models is dropped. Albedo is additive in sRGB-encoded colours. Named points of
    the file's ``metadata/landmarks`` come as ``extras["landmark:<name>"]``, (3,) mm on the mean face.

    Args:
        path: the ``.h5`` file.
        landmarks: a list of 68 vertex indices, counted from 0, in the iBUG order; the file itself has none.

    Raises:
        ModelFileError: the file is missing, damaged or incomplete, or h5py is not installed.

    Source: Gerig et al. 2018, *Morphable Face Models: An Open Framework*; Statismo's HDF5 layout.
    """
    try:
        import h5py
    except ImportError as error:
        raise ModelFileError(
            f"reading {path} needs h5py, which is not installed: pip install 'wholeface[models]'"
        ) from error
    file = Path(path)
    data = read_bytes(file)
    with parsing(file, "an HDF5 file"), h5py.File(io.BytesIO(data), "r") as archive:
        reader = _Reader(archive, file, len(data))
        shape_mean = reader.floats("shape/model/mean", (None,))
        if shape_mean.size == 0 or shape_mean.size % 3:
            raise ModelFileError(
                f"{file}: shape/model/mean has {shape_mean.size} numbers, not three per vertex"
            )
        count = shape_mean.size // 3
        mean, identity = shape_mean.reshape(count, 3), reader.modes("shape", count)
        expression = np.zeros((0, count, 3), dtype=np.float32)
        if "expression" in archive:
            mean = mean + reader.floats("expression/model/mean", (3 * count,)).reshape(count, 3)
            expression = reader.modes("expression", count)
        colours = reader.floats("color/model/mean", (3 * count,)).reshape(count, 3)
        colour_modes = reader.modes("color", count)
        cells = reader.array("shape/representer/cells")
        named = _named_points(reader.array("metadata/landmarks/json"), file) if reader.has_points() else {}
    triangles = indices(cells, (3, None), count, "shape/representer/cells", file).T
    (triangles,) = oriented(mean, np.ascontiguousarray(triangles))
    scale = np.float32(255 if colours.max() > 2 else 1)
    embedding = None
    if landmarks is not None:
        embedding = at_vertices(read_landmark_vertices(Path(landmarks), count), triangles, file)
    model = MorphableModel(
        "bfm2019" if "2019" in file.stem else "bfm2017",
        file.stem,
        tensor(mean),
        tensor(identity),
        tensor(expression),
        tuple(f"expression_{index:02d}" for index in range(len(expression))),
        tensor(triangles),
        regions={"skin": torch.ones(count, dtype=torch.bool)},
        landmarks_68=embedding,
        albedo=AlbedoModel("srgb", tensor(colours / scale), tensor(colour_modes / scale)),
        extras={f"landmark:{name}": tensor(point) for name, point in named.items()},
        expression_prior=ExpressionPrior.gaussian(torch.ones(len(expression))),
    )
    return checked(model, file)


class _Reader:
    """Datasets of one HDF5 file, each checked before it is read."""

    def __init__(self, archive: Any, path: Path, file_size: int) -> None:
        self._archive, self._path, self._left = archive, path, most_unpacked(file_size)

    def has_points(self) -> bool:
        return "metadata/landmarks/json" in self._archive

    def array(self, name: str) -> Any:
        import h5py

        dataset = self._archive.get(name)
        if not isinstance(dataset, h5py.Dataset):
            raise ModelFileError(f"{self._path} is not a complete Basel Face Model: it lacks {name}")
        if dataset.file != self._archive.file or dataset.external or dataset.is_virtual:
            raise ModelFileError(f"{self._path}: {name} lies in another file; it must be part of this one")
        # A compressed chunk is unpacked as a whole, however little of it is used.
        chunk = int(np.prod(dataset.chunks or (1,), dtype=object))
        for count in (dataset.size, chunk):
            if count is None or count * dataset.dtype.itemsize > self._left:
                raise ModelFileError(
                    f"{self._path} is damaged: {name} is announced with {count} values, "
                    "far more than the file can hold"
                )
        self._left -= dataset.size * dataset.dtype.itemsize
        return dataset[()]

    def floats(self, name: str, shape: tuple[int | None, ...]) -> NDArray[np.float32]:
        return floats(self.array(name), shape, name, self._path)

    def modes(self, part: str, count: int) -> NDArray[np.float32]:
        """(K, V, 3), one standard deviation each."""
        basis = self.floats(f"{part}/model/pcaBasis", (3 * count, None))
        variance = self.floats(f"{part}/model/pcaVariance", (basis.shape[1],))
        if (variance < 0).any():
            raise ModelFileError(
                f"{self._path}: {part}/model/pcaVariance has negative values; the file is damaged"
            )
        modes = np.ascontiguousarray((basis * np.sqrt(variance)).T).reshape(-1, count, 3)
        return finite(modes, f"{part}/model", self._path)


def _named_points(value: Any, path: Path) -> dict[str, NDArray[np.float32]]:
    """Named points of Scalismo's landmark JSON: ``[{"id": …, "coordinates": [x, y, z]}, …]``."""
    text = np.asarray(value).reshape(-1)
    if text.size == 0:
        return {}
    first = text[0]
    points = json.loads(first.decode("utf-8") if isinstance(first, bytes) else str(first))
    if isinstance(points, dict):
        points = [{"id": name, "coordinates": xyz} for name, xyz in points.items()]
    found = {}
    for point in points:
        name = str(point["id"])
        found[name] = floats(point["coordinates"], (3,), f"landmark {name}", path)
    return found
