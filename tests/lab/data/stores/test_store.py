"""Stores of samples: content, independence of workers, going on after a stop, clear refusals."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from wholeface.core.errors import DataError, UsageError
from wholeface.lab.data import FaceSample
from wholeface.lab.data.stores import KNOWN, SampleStore, build_store

SIZE, DENSE = 12, 5


def make_sample(index: int, *, photo: bool = False) -> FaceSample:
    rng = np.random.default_rng([7, index])
    image = rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    count = 0 if photo else DENSE
    parameters = {
        "identity": rng.normal(size=3).astype(np.float32),
        "light": rng.normal(size=(9, 3)).astype(np.float32),
        "focal": np.float32(100 + index),
    }
    return FaceSample(
        image=image,
        clean=255 - image,
        parsing=image[..., 0] % 20,
        occluder=image[..., 1] % 3,
        face=image[..., 2] > 100,
        landmarks_68=rng.uniform(-2, SIZE + 2, (68, 2)).astype(np.float32),
        facing_68=rng.random(68) > 0.5,
        dense=rng.uniform(0, SIZE - 1, (count, 2)).astype(np.float32),
        facing_dense=rng.random(count) > 0.5,
        known=frozenset({"parsing", "landmarks"} if photo else KNOWN),
        parameters={} if photo else parameters,
        depth=None if photo else rng.random((SIZE, SIZE)).astype(np.float32),
        normals=None,
        source=f"toy_{index}",
        seed=(7, index),
    )


@dataclass(frozen=True)
class Toy:
    """Every third sample is a photo without geometry; some indices may be broken."""

    broken: tuple[int, ...] = ()

    @property
    def settings(self) -> dict[str, object]:
        return {"kind": "toy", "path": Path("x"), "size": SIZE}

    def __getitem__(self, index: int) -> FaceSample:
        if index in self.broken:
            raise ValueError("no such face")
        return make_sample(index, photo=index % 3 == 2)


def digests(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


INDICES = np.arange(100, 140)


def test_rows_hold_the_samples(tmp_path: Path) -> None:
    store = build_store(Toy(), INDICES, tmp_path / "s", workers=0)
    assert len(store) == 40
    assert store.size == SIZE
    for row, index in enumerate(INDICES.tolist()):
        sample, found = Toy()[index], store[row]
        for name in ("image", "clean", "parsing", "occluder", "face", "landmarks_68", "facing_68"):
            np.testing.assert_array_equal(found[name], getattr(sample, name), err_msg=name)
        np.testing.assert_array_equal(found["visible_68"], sample.visible_68())
        assert found["source"].item().decode() == f"toy_{index}"
        assert found["seed"].tolist() == [7, index, -1, -1]
        assert {n for n, flag in zip(KNOWN, found["known"]) if flag} == sample.known
        blocks = store.parameters(found["parameters"])
        if sample.parameters:
            np.testing.assert_array_equal(found["dense"], sample.dense)
            np.testing.assert_array_equal(found["visible_dense"], sample.visible_dense())
            for name, value in sample.parameters.items():
                np.testing.assert_array_equal(blocks[name], value, err_msg=name)
        else:
            assert np.isnan(found["dense"]).all()
            assert not found["facing_dense"].any()
            assert all(np.isnan(block).all() for block in blocks.values())
        assert np.shares_memory(found["image"], store.array("image"))
    assert store.settings == {"kind": "toy", "path": "x", "size": SIZE}
    rows = store.batch([3, 0, 3], fields=["image", "seed"])
    np.testing.assert_array_equal(rows["seed"][:, 1], [103, 100, 103])
    assert set(rows) == {"image", "seed"}


def test_content_does_not_depend_on_workers(tmp_path: Path) -> None:
    for workers in (0, 1, 3):
        build_store(Toy(), INDICES, tmp_path / str(workers), workers=workers)
    assert digests(tmp_path / "0") == digests(tmp_path / "1") == digests(tmp_path / "3")


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_sample_stops_with_its_index_and_the_build_goes_on_later(
    tmp_path: Path, workers: int
) -> None:
    with pytest.raises(DataError, match=r"sample 137 cannot be made: ValueError: no such face"):
        build_store(Toy(broken=(137,)), INDICES, tmp_path / "s", workers=workers)
    assert not (tmp_path / "s").exists()
    with pytest.raises(DataError, match="half built"):
        SampleStore(tmp_path / "s")
    # What was finished is not made again: these samples are now broken, and nobody asks for them.
    finished = np.load(tmp_path / "s.part" / "done.npy")
    assert 0 < finished.sum() < 40
    resumed = build_store(
        Toy(broken=tuple(INDICES[finished].tolist())), INDICES, tmp_path / "s", workers=workers
    )
    build_store(Toy(), INDICES, tmp_path / "whole", workers=0)
    assert digests(resumed.folder) == digests(tmp_path / "whole")
    assert not (tmp_path / "s.part").exists()


def test_a_complete_store_is_not_built_again(tmp_path: Path) -> None:
    build_store(Toy(), INDICES, tmp_path / "s", workers=0)
    again = build_store(Toy(broken=tuple(INDICES.tolist())), INDICES, tmp_path / "s", workers=0)
    assert len(again) == 40


def test_another_store_in_the_folder_is_refused(tmp_path: Path) -> None:
    build_store(Toy(), INDICES, tmp_path / "s", workers=0)
    with pytest.raises(UsageError, match="other indices"):
        build_store(Toy(), INDICES + 1, tmp_path / "s", workers=0)
    with pytest.raises(UsageError, match="other settings"):
        build_store(Toy(), INDICES, tmp_path / "s", workers=0, settings={"kind": "other"})
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("x")
    with pytest.raises(UsageError, match="holds other things"):
        build_store(Toy(), INDICES, tmp_path / "mine", workers=0)


def test_fields(tmp_path: Path) -> None:
    store = build_store(Toy(), [0, 2], tmp_path / "s", workers=0, fields=["image", "depth"])
    assert store.fields == ("image", "depth")
    np.testing.assert_array_equal(store[0]["depth"], make_sample(0).depth)
    assert np.isnan(store[1]["depth"]).all()
    with pytest.raises(UsageError, match="holds no 'clean'; it has: image, depth"):
        store.array("clean")
    with pytest.raises(UsageError, match="unknown fields colour"):
        build_store(Toy(), [0], tmp_path / "t", fields=["colour"])
    with pytest.raises(UsageError, match="list of sample indices"):
        build_store(Toy(), [], tmp_path / "t")


def test_damaged_stores_are_refused(tmp_path: Path) -> None:
    folder = build_store(Toy(), [0, 1], tmp_path / "s", workers=0).folder
    np.save(folder / "face.npy", np.zeros(3))
    with pytest.raises(DataError, match=r"face\.npy holds float64 \(3,\), its manifest says bool"):
        SampleStore(folder)
    (folder / "face.npy").write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=r"face\.npy cannot be read"):
        SampleStore(folder)
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "schema": 99}))
    with pytest.raises(DataError, match="schema"):
        SampleStore(folder)
    with pytest.raises(IndexError):
        build_store(Toy(), [0, 1], tmp_path / "ok", workers=0)[2]


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    build_store(Toy(), INDICES, tmp_path / "s", workers=0, progress=lambda *now: calls.append(now))
    assert calls == [(16, 40), (32, 40), (40, 40)]


@pytest.mark.parametrize(
    "damage", [b"", b"\x93NUMPY", b"PK\x03\x04", b"\x93NUMPY\x01\x00\x60\xea" + b"(" * 60000, "cut"]
)
@pytest.mark.parametrize("name", ["index", "image", "source"])
def test_damaged_arrays_are_one_error(tmp_path: Path, name: str, damage: bytes | str) -> None:
    folder = tmp_path / "store"
    build_store(Toy(), [0, 1, 2], folder, workers=0)
    file = folder / f"{name}.npy"
    file.write_bytes(file.read_bytes()[:-1] if isinstance(damage, str) else damage)
    with pytest.raises(DataError, match=rf"{name}\.npy"):
        SampleStore(folder)
    if name == "index":
        with pytest.raises(DataError, match=r"index\.npy"):
            build_store(Toy(), [0, 1, 2], folder, workers=0)


def test_a_damaged_manifest_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    build_store(Toy(), [0, 1, 2], folder, workers=0)
    file = folder / "manifest.json"
    whole = json.loads(file.read_text())
    wrong: list[object] = [
        None,
        -1,
        10**400,
        "x",
        [],
        {},
        [[1]],
        {"../x": ["<f4", [1]]},
        {"image": ["O", [1]]},
        [["a", [-1]]],
    ]
    for key in ("settings", "count", "fields", "parameters"):
        for value in wrong:
            if (key, value) in (("settings", {}), ("settings", []), ("parameters", [])) or (
                key == "settings" and isinstance(value, (list, dict))
            ):
                continue
            file.write_text(json.dumps({**whole, key: value}))
            with pytest.raises(DataError, match=r"manifest\.json"):
                SampleStore(folder)
        file.write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
        with pytest.raises(DataError, match=r"manifest\.json"):
            SampleStore(folder)
    for text in ("[" * 100_000, "9" * 6000, "", '{"schema": 1}', "\xff"):
        file.write_bytes(text.encode("latin1"))
        with pytest.raises(DataError, match=r"manifest\.json"):
            SampleStore(folder)


class _Worn:
    """Samples of which the even ones know their spectacles."""

    settings = {"kind": "worn"}  # noqa: RUF012

    def __getitem__(self, index: int) -> FaceSample:
        sample = make_sample(index)
        parts = np.full((SIZE, SIZE), index % 4, np.uint8)
        return sample.with_(eyewear=parts) if index % 2 == 0 else sample


def test_spectacles_are_kept_and_unknown_ones_are_said_to_be(tmp_path: Path) -> None:
    store = build_store(_Worn(), range(4), tmp_path / "worn", workers=0, fields=("image", "eyewear"))
    assert [store[i]["eyewear"][0, 0] for i in range(4)] == [0, 255, 2, 255]
    plain = build_store(_Worn(), range(4), tmp_path / "plain", workers=0)  # as those of earlier versions
    assert "eyewear" not in plain[0]
