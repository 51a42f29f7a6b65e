"""Small files in the published formats, generated from a known model."""

from __future__ import annotations

import json
import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from wholeface.morphable import MorphableModel


class _Python2Pickler(pickle._Pickler):
    """Writes bytes and text as Python 2 did: as byte strings."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self._write_string(value, value)

    def save_str(self, value: str) -> None:
        self._write_string(value, value.encode("latin1"))

    def _write_string(self, value: str | bytes, data: bytes) -> None:
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(value)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str


@contextmanager
def fake_chumpy() -> Iterator[types.SimpleNamespace]:
    """Classes that pickle under chumpy's names, without chumpy."""
    made = {}
    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    for module, name in (("chumpy.ch", "Ch"), ("chumpy.reordering", "Select"), ("chumpy.ch", "add")):
        made[name] = type(name, (), {"__module__": module})
        setattr(modules[module], name, made[name])
    sys.modules.update(modules)
    try:
        yield types.SimpleNamespace(**made)
    finally:
        for name in modules:
            del sys.modules[name]


class ModelFiles:
    """Writers of each format; ``truth`` is the model that the loaders should give back (mm)."""

    def __init__(self, truth: MorphableModel) -> None:
        self.truth = truth
        self.mean = truth.mean.double().numpy()
        self.identity = truth.identity.double().numpy()
        self.expression = truth.expression.double().numpy()
        self.triangles = truth.triangles.numpy()
        self.count = len(self.mean)
        rng = np.random.default_rng(5)
        self.colour_mean = rng.uniform(0.2, 0.8, (self.count, 3))
        self.colour_modes = rng.normal(0, 0.05, (4, self.count, 3))
        self.landmarks = self.triangles[truth.landmarks_68.triangle.numpy(), 0]

    def flat(self, modes: np.ndarray) -> np.ndarray:
        """(3V, K) as the Basel files have it."""
        return modes.reshape(len(modes), -1).T

    # Basel 2009

    def bfm_front_fields(self) -> dict[str, Any]:
        return {
            "meanshape": (self.mean / 100).reshape(1, -1),
            "idBase": self.flat(self.identity / 100),
            "exBase": self.flat(self.expression / 100),
            "meantex": self.colour_mean.reshape(1, -1) * 255,
            "texBase": self.flat(self.colour_modes) * 255,
            "tri": (self.triangles + 1).astype(np.float64),
            "point_buf": np.ones((self.count, 8)),
            "tri_mask2": (self.triangles[:5] + 1).astype(np.float64),
            "keypoints": (self.landmarks + 1).reshape(1, -1).astype(np.float64),
            "frontmask2_idx": np.arange(5, 15, dtype=np.int32).reshape(-1, 1),
            "skinmask": (np.arange(self.count) % 2).reshape(1, -1).astype(np.uint8),
        }

    def bfm_front(self, path: Path, *, compress: bool = False, drop: str = "", **changes: Any) -> Path:
        import scipy.io

        fields = {**self.bfm_front_fields(), **changes}
        fields.pop(drop, None)
        scipy.io.savemat(path, fields, appendmat=False, do_compression=compress)
        return path

    def bfm_original(self, path: Path) -> Path:
        import scipy.io

        deviation = np.linspace(2000, 500, len(self.identity))
        colour_deviation = np.linspace(20, 5, len(self.colour_modes))
        fields = {
            "shapeMU": (self.mean * 1000).reshape(-1, 1).astype(np.float32),
            "shapePC": (self.flat(self.identity) * 1000 / deviation).astype(np.float32),
            "shapeEV": deviation.reshape(-1, 1).astype(np.float32),
            "texMU": (self.colour_mean * 255).reshape(-1, 1).astype(np.float32),
            "texPC": (self.flat(self.colour_modes) * 255 / colour_deviation).astype(np.float32),
            "texEV": colour_deviation.reshape(-1, 1).astype(np.float32),
            "tl": (self.triangles[:, ::-1] + 1).astype(np.float64),  # clockwise, to be turned
        }
        scipy.io.savemat(path, fields, appendmat=False)
        return path

    # Basel 2017 and 2019

    def bfm17(self, path: Path, *, drop: str = "", expression: bool = True, **changes: Any) -> Path:
        import h5py

        def orthonormal(modes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            length = np.linalg.norm(modes.reshape(len(modes), -1), axis=1)
            return self.flat(modes / length[:, None, None]), length**2

        offset = np.full(self.count * 3, 0.25)
        parts = {"shape": (self.mean.reshape(-1) - offset, *orthonormal(self.identity))}
        if expression:
            parts["expression"] = (offset, *orthonormal(self.expression))
        parts["color"] = (self.colour_mean.reshape(-1), *orthonormal(self.colour_modes))
        fields: dict[str, Any] = {
            "shape/representer/cells": self.triangles.T.astype(np.int32),
            "shape/representer/points": self.mean.T.astype(np.float32),
        }
        for part, (mean, basis, variance) in parts.items():
            fields[f"{part}/model/mean"] = mean.astype(np.float32)
            fields[f"{part}/model/pcaBasis"] = basis.astype(np.float32)
            fields[f"{part}/model/pcaVariance"] = variance.astype(np.float32)
            fields[f"{part}/model/noiseVariance"] = np.zeros(1, dtype=np.float32)
        points = [{"id": "center.nose.tip", "coordinates": self.mean[7].tolist()}]
        fields["metadata/landmarks/json"] = np.array([json.dumps(points)], dtype=object)
        fields.update(changes.get("fields", {}))
        fields.pop(drop, None)
        with h5py.File(path, "w") as archive:
            for name, value in fields.items():
                kind = h5py.string_dtype() if getattr(value, "dtype", np.dtype(int)).hasobject else None
                archive.create_dataset(name, data=value, dtype=kind)
        return path

    # FLAME

    def flame_fields(self) -> dict[str, Any]:
        import scipy.sparse

        rng = np.random.default_rng(3)
        weights = rng.uniform(size=(self.count, 5))
        weights[weights < 0.4] = 0
        weights[:, 0] += 0.1
        regressor = rng.uniform(size=(5, self.count)) * (rng.uniform(size=(5, self.count)) < 0.05)
        regressor[:, 0] += 0.1
        modes = np.concatenate([self.identity, self.expression]) / 1000
        return {
            "v_template": self.mean / 1000,
            "shapedirs": np.ascontiguousarray(modes.transpose(1, 2, 0)),
            "posedirs": rng.normal(0, 1e-4, (self.count, 3, 36)),
            "J_regressor": scipy.sparse.csc_matrix(regressor / regressor.sum(axis=1, keepdims=True)),
            "weights": weights / weights.sum(axis=1, keepdims=True),
            "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], [0, 1, 2, 3, 4]], dtype=np.int64),
            "f": self.triangles.astype(np.uint32),
            "bs_style": "lbs",
            "bs_type": "lrotmin",
        }

    def flame(
        self, path: Path, *, style: str = "python2", drop: str = "", protocol: int = 2, **changes: Any
    ) -> Path:
        fields = {**self.flame_fields(), **changes}
        fields.pop(drop, None)
        if style == "npz":
            dense = {
                name: v.toarray() if hasattr(v, "toarray") else np.asarray(v) for name, v in fields.items()
            }
            with path.open("wb") as stream:
                np.savez(stream, **dense)
            return path
        with fake_chumpy() as chumpy, path.open("wb") as stream:
            if style == "python2":  # as published: chumpy arrays, some of them selections of another
                for name in {"shapedirs", "v_template"} & set(fields):
                    held = chumpy.Ch()
                    held.__dict__.update(x=fields[name], _dirty_vars=["x"], _itr=None)
                    fields[name] = held
                if "posedirs" in fields:
                    source, picked = chumpy.Ch(), chumpy.Select()
                    shape = fields["posedirs"].shape
                    source.x = np.concatenate([np.zeros(7), fields["posedirs"].reshape(-1)])
                    picked.__dict__.update(a=source, idxs=np.arange(7, source.x.size), preferred_shape=shape)
                    fields["posedirs"] = picked
            if style == "python2" and protocol == 2:
                _Python2Pickler(stream, protocol=2).dump(fields)
            else:
                pickle.dump(fields, stream, protocol=protocol)
        return path

    def flame_embedding(self, path: Path, *, torch_tensors: bool = True, **changes: Any) -> Path:
        import torch

        embedding = self.truth.landmarks_68
        content = {
            "static_lmk_faces_idx": embedding.triangle.numpy()[17:],
            "full_lmk_faces_idx": embedding.triangle.numpy()[None].astype(np.int64),
            "full_lmk_bary_coords": embedding.barycentric.double().numpy()[None],
            **changes,
        }
        if torch_tensors:  # DECA's published file holds some
            content["dynamic_lmk_faces_idx"] = torch.zeros(3, 17, dtype=torch.int64)
        with path.open("wb") as stream:
            np.save(stream, np.array(content, dtype=object))
        return path

    def flame_texture(self, path: Path, **changes: Any) -> Path:
        rows = np.linspace(250, 20, 16)
        mean = np.stack(np.broadcast_arrays(rows[:, None] * 0.2, rows[:, None] * 0.5, rows[:, None]), axis=-1)
        mean = np.broadcast_to(mean, (16, 16, 3)).copy()  # blue, green, red; brighter at the top
        fields = {
            "mean": mean,
            "tex_dir": np.stack([np.full((16, 16, 3), 10.0), np.full((16, 16, 3), [0.0, 0.0, 5.0])], axis=-1),
            "vt": self.truth.uv.numpy(),
            "ft": self.truth.uv_triangles.numpy(),
            **changes,
        }
        with path.open("wb") as stream:
            np.savez(stream, **fields)
        return path

    # GNM Head

    def gnm(self, path: Path, *, drop: str = "", **changes: Any) -> Path:
        fields = {
            "version": "3.0",
            "variant": "head",
            "template_vertex_positions": self.mean / 1000,
            "vertex_identity_basis": self.identity / 1000,
            "identity_names": np.array([f"head_{i:03d}" for i in range(len(self.identity))]),
            "expression_basis": self.expression / 1000,
            "expression_names": np.array(self.truth.expression_names),
            "triangles": self.triangles.astype(np.int32),
            "triangle_uvs": self.truth.uv.numpy()[self.truth.uv_triangles.numpy()],
            "mirror_indices": self.truth.mirror.numpy(),
            "joint_parent_indices": np.array([-1, 0, 1, 1]),
            "skinning_weights": np.full((4, self.count), 0.25),
            "joint_regressor": np.full((4, self.count), 1 / self.count),
            "vertex_groups": np.eye(2, self.count),
            "vertex_group_names": np.array(["lips", "nose"]),
            **changes,
        }
        fields.pop(drop, None)
        with path.open("wb") as stream:
            np.savez(stream, **fields)
        return path

    # ICT-FaceKit

    def ict_polygons(self) -> tuple[np.ndarray, np.ndarray]:
        """(F, 4) vertex and UV polygons; −1 pads."""
        pad = np.full((len(self.triangles), 1), -1)
        return np.hstack([self.triangles, pad]), np.hstack([self.truth.uv_triangles.numpy(), pad])

    def ict_packed(self, path: Path, **changes: Any) -> Path:
        faces, uv_faces = self.ict_polygons()
        fields = {
            "mean": (self.mean / 10).astype(np.float32),
            "identity": (self.identity / 10).astype(np.float32),
            "expression": (self.expression / 10).astype(np.float32),
            "expression_names": np.array(self.truth.expression_names),
            "faces": faces.astype(np.int32),
            "uv": self.truth.uv.numpy(),
            "uv_faces": uv_faces.astype(np.int32),
            **changes,
        }
        with path.open("wb") as stream:
            np.savez_compressed(stream, **{k: v for k, v in fields.items() if v is not None})
        return path

    def ict_folder(self, folder: Path) -> Path:
        folder.mkdir()
        uv = self.truth.uv.numpy()

        def lines(vertices: np.ndarray) -> list[str]:
            return ["# a comment", *(f"v {x:.9f} {y:.9f} {z:.9f}" for x, y, z in vertices / 10)]

        def write(name: str, content: list[str]) -> None:
            (folder / f"{name}.obj").write_text("\n".join(content) + "\n")

        faces = [
            "f " + " ".join(f"{v + 1}/{t + 1}" for v, t in zip(corner, uv_corner))
            for corner, uv_corner in zip(self.triangles, self.truth.uv_triangles.numpy())
        ]
        texture = [f"vt {u:.9f} {v:.9f}" for u, v in uv]
        write("generic_neutral_mesh", ["mtllib m.mtl", *lines(self.mean), *texture, "g face", *faces])
        for index, mode in enumerate(self.identity):
            write(f"identity{index:03d}", lines(self.mean + mode))
        for name, mode in zip(self.truth.expression_names, self.expression):
            write(name, lines(self.mean + mode))
        return folder


@pytest.fixture(scope="session")
def files(small_model: MorphableModel) -> ModelFiles:
    """Writers for the egg of 290 vertices."""
    return ModelFiles(small_model)


@pytest.fixture(scope="session")
def tiny_files(egg: Callable[[int, int], MorphableModel]) -> ModelFiles:
    """Writers for an egg of 34 vertices: small enough to damage in every way."""
    return ModelFiles(egg(4, 8))
