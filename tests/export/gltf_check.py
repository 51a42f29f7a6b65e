"""A reader of GLB files that believes nothing: the rules of glTF 2.0 that our writer could break."""

import io
import json
import struct

import numpy as np
from PIL import Image

COMPONENTS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


class Glb:
    """A checked GLB file.

    Attributes:
        document: the JSON chunk.
        arrays: the content of every accessor, sparse ones filled in.
    """

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        assert length % 4 == 0
        json_length, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON"
        assert json_length % 4 == 0
        self.document = json.loads(data[20 : 20 + json_length].decode("utf-8"))
        at = 20 + json_length
        binary_length, kind = struct.unpack_from("<I4s", data, at)
        assert kind == b"BIN\0"
        assert binary_length % 4 == 0
        assert at + 8 + binary_length == len(data)
        self.binary = data[at + 8 :]
        self._used: set[int] = set()
        self._check_views()
        self.arrays = [self._read(accessor) for accessor in self.document["accessors"]]
        self.images = [self._image(image) for image in self.document.get("images", [])]
        self._check_meshes()
        self._check_materials()
        assert self._used == set(range(len(self.document["bufferViews"]))), "a buffer view is not used"

    def _check_views(self) -> None:
        document = self.document
        assert document["asset"]["version"] == "2.0"
        assert document["asset"]["generator"].startswith("WholeFace")
        assert document["scenes"][document["scene"]]["nodes"] == [0]
        assert [b["byteLength"] for b in document["buffers"]] == [len(self.binary)]
        end = 0
        for view in document["bufferViews"]:
            assert view["buffer"] == 0
            assert view["byteLength"] > 0
            assert view["byteOffset"] % 4 == 0
            assert view["byteOffset"] >= end, "buffer views overlap"
            end = view["byteOffset"] + view["byteLength"]
            assert end <= len(self.binary)
            assert view.get("target") in (None, 34962, 34963)

    def _bytes(self, index: int) -> bytes:
        self._used.add(index)
        view = self.document["bufferViews"][index]
        return self.binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def _read(self, accessor: dict) -> np.ndarray:
        dtype = np.dtype(COMPONENTS[accessor["componentType"]])
        count, width = accessor["count"], WIDTHS[accessor["type"]]
        assert count >= 1
        values = np.zeros((count, width), dtype)
        if "bufferView" in accessor:
            view = self.document["bufferViews"][accessor["bufferView"]]
            data = self._bytes(accessor["bufferView"])
            stride = view.get("byteStride", dtype.itemsize * width)
            if view.get("target") == 34962:
                assert stride % 4 == 0, "vertex attributes lie on four-byte boundaries"
            if "byteStride" in view:
                assert 4 <= stride <= 252
                assert view["target"] == 34962
            assert stride * (count - 1) + dtype.itemsize * width <= len(data)
            for column in range(width):
                values[:, column] = np.ndarray(count, dtype, data, column * dtype.itemsize, (stride,))
        if "sparse" in accessor:
            sparse = accessor["sparse"]
            kind = COMPONENTS[sparse["indices"]["componentType"]]
            rows = np.frombuffer(self._bytes(sparse["indices"]["bufferView"]), kind)
            changed = np.frombuffer(self._bytes(sparse["values"]["bufferView"]), dtype).reshape(-1, width)
            assert 1 <= sparse["count"] == len(rows) == len(changed) <= count
            assert (np.diff(rows.astype(int)) > 0).all()
            assert rows[-1] < count
            for part in ("indices", "values"):
                assert "target" not in self.document["bufferViews"][sparse[part]["bufferView"]]
            values[rows] = changed
        assert np.isfinite(values).all()
        if "min" in accessor:
            np.testing.assert_array_equal(np.asarray(accessor["min"], dtype), values.min(0))
            np.testing.assert_array_equal(np.asarray(accessor["max"], dtype), values.max(0))
        return values

    def _image(self, image: dict) -> Image.Image:
        view = self.document["bufferViews"][image["bufferView"]]
        assert "target" not in view
        assert "byteStride" not in view
        opened = Image.open(io.BytesIO(self._bytes(image["bufferView"])))
        assert image["mimeType"] == {"PNG": "image/png", "JPEG": "image/jpeg"}[opened.format]
        opened.load()
        return opened

    def _check_meshes(self) -> None:
        accessors = self.document["accessors"]
        for mesh in self.document["meshes"]:
            counts = {len(p.get("targets", [])) for p in mesh["primitives"]}
            assert len(counts) == 1
            if counts != {0}:
                assert len(mesh["weights"]) == len(mesh["extras"]["targetNames"]) == counts.pop()
            for primitive in mesh["primitives"]:
                attributes = primitive["attributes"]
                length = {len(self.arrays[a]) for a in attributes.values()}
                assert len(length) == 1
                count = length.pop()
                assert {"min", "max"} <= accessors[attributes["POSITION"]].keys()
                for name, width in (("POSITION", 3), ("NORMAL", 3), ("TEXCOORD_0", 2)):
                    if name in attributes:
                        assert accessors[attributes[name]]["componentType"] == 5126
                        assert self.arrays[attributes[name]].shape[1] == width
                np.testing.assert_allclose(
                    np.linalg.norm(self.arrays[attributes["NORMAL"]].astype(float), axis=1), 1, atol=1e-5
                )
                if "TANGENT" in attributes:
                    tangents = self.arrays[attributes["TANGENT"]].astype(float)
                    assert accessors[attributes["TANGENT"]]["componentType"] == 5126
                    np.testing.assert_allclose(np.linalg.norm(tangents[:, :3], axis=1), 1, atol=1e-5)
                    assert (np.abs(tangents[:, 3]) == 1).all()
                    across = (tangents[:, :3] * self.arrays[attributes["NORMAL"]]).sum(axis=1)
                    np.testing.assert_allclose(across, 0, atol=1e-5)
                bumpy = "normalTexture" in self.document["materials"][primitive["material"]]
                assert ("TANGENT" in attributes) == bumpy, "no tangents that nobody uses, and none missing"
                custom = [accessors[attributes[name]] for name in attributes if name.startswith("_")]
                assert all(accessor["componentType"] != 5125 for accessor in custom)
                # Not a rule of glTF: Blender's importer mixes up custom attributes of unequal types.
                assert len({(accessor["componentType"], accessor["type"]) for accessor in custom}) <= 1
                indices = self.arrays[primitive["indices"]]
                index_type = accessors[primitive["indices"]]["componentType"]
                assert index_type in (5121, 5123, 5125)
                assert len(indices) % 3 == 0
                assert int(indices.max()) < count
                assert int(indices.max()) < {5121: 255, 5123: 65535, 5125: 2**32 - 1}[index_type]
                view = self.document["bufferViews"][accessors[primitive["indices"]]["bufferView"]]
                assert view["target"] == 34963
                for target in primitive.get("targets", []):
                    assert set(target) == {"POSITION"}
                    assert {"min", "max"} <= accessors[target["POSITION"]].keys()
                    assert self.arrays[target["POSITION"]].shape == (count, 3)

    def _check_materials(self) -> None:
        document = self.document
        materials = document["materials"]
        seen = set()
        for mesh in document["meshes"]:
            for primitive in mesh["primitives"]:
                seen.add(primitive["material"])
                mapping = (
                    primitive.get("extensions", {}).get("KHR_materials_variants", {}).get("mappings", [])
                )
                seen |= {m["material"] for m in mapping}
        assert seen == set(range(len(materials)))
        textures = set()
        for material in materials:
            surface = material["pbrMetallicRoughness"]
            assert surface["metallicFactor"] == 0
            assert 0 < surface["roughnessFactor"] <= 1
            assert material["doubleSided"] is False
            if "baseColorTexture" in surface:
                textures.add(surface["baseColorTexture"]["index"])
            if "normalTexture" in material:
                textures.add(material["normalTexture"]["index"])
        assert textures == set(range(len(document.get("textures", []))))
        for texture in document.get("textures", []):
            assert texture["source"] < len(self.images)
            assert texture["sampler"] < len(document["samplers"])
        if "extensions" in document:
            assert set(document["extensions"]) <= set(document["extensionsUsed"])
