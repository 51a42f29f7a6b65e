"""Shards give back what went in, and damaged ones say where."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from wholeface.core.errors import DataError, OutputError, UsageError
from wholeface.lab.data import FaceSample
from wholeface.lab.data.samples.shards import encode_sample, read_shards, write_shards


def assert_same(a: FaceSample, b: FaceSample) -> None:
    for field in dataclasses.fields(FaceSample):
        x, y = getattr(a, field.name), getattr(b, field.name)
        if isinstance(x, np.ndarray):
            assert x.dtype == y.dtype, field.name
            np.testing.assert_array_equal(x, y, err_msg=field.name)
        elif field.name == "parameters":
            assert list(x) == list(y)
            for name in x:
                assert x[name].dtype == y[name].dtype
                np.testing.assert_array_equal(x[name], y[name])
        else:
            assert x == y, field.name


def some(fake_faces: ModuleType, count: int = 5) -> list[FaceSample]:
    return [fake_faces.FakeFaces(3, photos=i % 2 == 1).sample(i) for i in range(count)]


def test_round_trip_is_exact(fake_faces: ModuleType, tmp_path: Path) -> None:
    samples = some(fake_faces)
    paths = write_shards(iter(samples), tmp_path / "new" / "folder", per_shard=2)
    assert [p.name for p in paths] == ["faces-000000.tar", "faces-000001.tar", "faces-000002.tar"]
    assert sorted(p.name for p in paths[0].parent.iterdir()) == [p.name for p in paths]
    for read in (list(read_shards(paths)), list(read_shards(paths[0].parent))):
        assert len(read) == 5
        for a, b in zip(samples, read):
            assert_same(a, b)
    assert len(list(read_shards(paths[2]))) == 1


def test_same_samples_same_bytes(fake_faces: ModuleType, tmp_path: Path) -> None:
    first, second = (write_shards(some(fake_faces), tmp_path / n, per_shard=3) for n in ("a", "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    with tarfile.open(first[0]) as shard:
        for member in shard:
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (0, 0, 0, "", "")


def test_names_are_those_of_webdataset(fake_faces: ModuleType, tmp_path: Path) -> None:
    (path,) = write_shards(some(fake_faces, 1), tmp_path)
    with tarfile.open(path) as shard:
        names = shard.getnames()
        labels = json.load(shard.extractfile("00000000.json"))  # type: ignore[arg-type]
    parts = [
        "clean.png",
        "depth.npy",
        "face.png",
        "json",
        "normals.npy",
        "occluder.png",
        "parsing.png",
        "png",
    ]
    assert sorted(names) == [f"00000000.{part}" for part in parts]
    sample = some(fake_faces, 1)[0]
    assert labels["visible_68"] == sample.visible_68().astype(int).tolist()
    assert (labels["source"], labels["seed"]) == ("synthetic", [3, 0])


def test_jpeg_and_no_geometry(fake_faces: ModuleType, tmp_path: Path) -> None:
    flat = some(fake_faces, 1)[0].with_(image=np.full((24, 24, 3), 90, np.uint8))
    paths = write_shards([flat], tmp_path, photo="jpg", geometry=False)
    (read,) = read_shards(paths)
    assert (read.depth, read.normals) == (None, None)
    assert np.abs(read.image.astype(int) - 90).max() <= 1
    assert_same(read, flat.with_(image=read.image, depth=None, normals=None))


def test_old_shards_are_not_mixed_with_new_ones(fake_faces: ModuleType, tmp_path: Path) -> None:
    write_shards(some(fake_faces, 1), tmp_path)
    with pytest.raises(UsageError, match=r"faces-000000\.tar is there already"):
        write_shards(some(fake_faces, 1), tmp_path)
    write_shards(some(fake_faces, 1), tmp_path, prefix="test")


def test_what_stops_half_way_leaves_no_half_shard(fake_faces: ModuleType, tmp_path: Path) -> None:
    faces = fake_faces.FakeFaces(fails_at=3)
    with pytest.raises(DataError, match="no such face"):
        write_shards((faces.sample(i) for i in range(5)), tmp_path, per_shard=2)
    assert [p.name for p in tmp_path.iterdir()] == ["faces-000000.tar"]


def test_bad_arguments(fake_faces: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="per_shard=0"):
        write_shards([], tmp_path, per_shard=0)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        write_shards(some(fake_faces, 1), tmp_path / "file")
    assert write_shards([], tmp_path / "none") == []
    with pytest.raises(DataError, match="no shards"):
        list(read_shards(tmp_path / "none"))
    with pytest.raises(DataError, match=r"away\.tar: cannot read the shard: No such file"):
        list(read_shards([tmp_path / "away.tar"]))


def tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as shard:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


def png(shape: tuple[int, ...]) -> bytes:
    from wholeface.export import encode_png

    return encode_png(np.zeros(shape, np.uint8))


def changed_json(data: bytes, **changes: object) -> bytes:
    labels = json.loads(data) | changes
    return json.dumps({k: v for k, v in labels.items() if v is not None}).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parsing.png": None}, "key 0007 lacks 0007.parsing.png"),
        ({"json": None}, "key 0007 lacks 0007.json"),
        ({"png": None}, "must have one image, 0007.png or 0007.jpg, got 0"),
        ({"jpg": b"x"}, "got 2"),
        ({"face.png": b"\x89PNG\r\n"}, "key 0007: 0007.face.png is no readable image"),
        ({"face.png": png((24, 24, 3))}, r"key 0007: 0007.face.png must be \(S, S\)"),
        ({"clean.png": png((24, 24))}, r"key 0007: 0007.clean.png must be \(S, S, 3\)"),
        ({"occluder.png": png((9, 9))}, r"key 0007: synthetic: occluder must have shape \(24, 24\)"),
        ({"json": b"{"}, "key 0007: 0007.json does not hold"),
        ({"json": b"[]"}, "key 0007: 0007.json does not hold"),
        ({"json": {"landmarks_68": None}}, "no 'landmarks_68'"),
        ({"json": {"landmarks_68": [[1, 2]]}}, "landmarks_68 must have shape"),
        ({"json": {"version": 9}}, "version 9"),
        ({"json": {"parameters": 3}}, "0007.json does not hold"),
        ({"depth.npy": b"none"}, "key 0007: 0007.depth.npy is no readable array"),
        ({"flow.png": b"x"}, "0007.flow.png is no file of a face sample"),
    ],
)
def test_malformed_samples_name_file_and_key(
    fake_faces: ModuleType, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    good = encode_sample(some(fake_faces, 1)[0])
    bad: dict[str, bytes] = dict(good)
    for name, change in changes.items():
        if change is None:
            del bad[name]
        else:
            bad[name] = change if isinstance(change, bytes) else changed_json(good[name], **change)  # type: ignore[arg-type]
    files = {f"0006.{k}": v for k, v in good.items()} | {f"0007.{k}": v for k, v in bad.items()}
    shards = read_shards([tar(tmp_path / "bad.tar", files)])
    assert_same(next(shards), some(fake_faces, 1)[0])
    with pytest.raises(DataError, match=message) as caught:
        list(shards)
    assert "bad.tar" in str(caught.value)


def test_a_key_that_comes_back(fake_faces: ModuleType, tmp_path: Path) -> None:
    good = encode_sample(some(fake_faces, 1)[0])
    files = {f"{key}.{k}": v for key in "ab" for k, v in good.items()} | {"a.txt": b""}
    with pytest.raises(DataError, match="key a occurs twice"):
        list(read_shards(tar(tmp_path / "bad.tar", files)))


def test_no_pickle_is_opened(fake_faces: ModuleType, tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    files = {f"a.{k}": v for k, v in encode_sample(some(fake_faces, 1)[0]).items()}
    with pytest.raises(DataError, match=r"a\.depth\.npy is no readable array"):
        list(read_shards(tar(tmp_path / "bad.tar", files | {"a.depth.npy": stream.getvalue()})))


def test_every_cut_is_noticed(fake_faces: ModuleType, tmp_path: Path) -> None:
    (path,) = write_shards(some(fake_faces, 2), tmp_path)
    data = path.read_bytes()
    with tarfile.open(path) as shard:
        end = max(m.offset_data + -(-m.size // 512) * 512 for m in shard)
    cut = tmp_path / "cut.tar"
    for length in [0, 1, 300, 512, 1000, *range(1024, end, 1777), *range(512, end, 512)]:
        cut.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"cut\.tar"):
            list(read_shards(cut))
    damaged = bytearray(data)
    with tarfile.open(path) as shard:
        damaged[shard.getmembers()[10].offset + 2] ^= 1
    cut.write_bytes(damaged)
    with pytest.raises(DataError, match="cut off or damaged after 00000001"):
        list(read_shards(cut))


def _shard(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as shard:
        for extension, data in files.items():
            member = tarfile.TarInfo(f"00000000.{extension}")
            member.size = len(data)
            shard.addfile(member, io.BytesIO(data))
    return path


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("json", b"[" * 100_000),
        ("json", {"seed": [float("inf")]}),
        ("json", {"seed": [10**40]}),
        ("json", {"dense": [[10**400, 0]]}),
        ("json", {"landmarks_68": [[1e300, 0.0]] * 68}),
        ("json", {"facing_68": [300] * 68}),
        ("json", {"facing_68": [-1] * 68}),
        ("json", {"parameters": {"a": [[1], [2, 3]]}}),
        ("depth.npy", b"PK\x03\x04" + bytes(30)),
        ("depth.npy", b""),
        (
            "depth.npy",
            b"\x93NUMPY\x01\x00\x46\x00"
            + b"{'descr':'<f4','fortran_order':False,'shape':(99999,99999)}".ljust(69)
            + b"\n",
        ),
        ("png", b"\x89PNG\r\n\x1a\n" + bytes(50)),
    ],
)
def test_damaged_files_of_a_sample_are_one_error(
    fake_faces: ModuleType, tmp_path: Path, name: str, damage: bytes | dict[str, object]
) -> None:
    files = encode_sample(some(fake_faces, 1)[0])
    if isinstance(damage, dict):
        damage = json.dumps({**json.loads(files["json"]), **damage}).encode()
    path = _shard(tmp_path / "a.tar", {**files, name: damage})
    with pytest.raises(DataError, match=r"a\.tar: key 00000000"):
        list(read_shards(path))


@pytest.mark.parametrize(
    "kind", [tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.REGTYPE]
)
def test_lengths_that_are_not_there_are_one_error(tmp_path: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("00000000.png")
    member.type, member.size = kind, 20 << 30
    (tmp_path / "a.tar").write_bytes(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(DataError, match=r"a\.tar"):
        list(read_shards(tmp_path / "a.tar"))


def test_mutated_shards_raise_nothing_else(fake_faces: ModuleType, tmp_path: Path) -> None:
    path = _shard(tmp_path / "a.tar", encode_sample(some(fake_faces, 1)[0]))
    whole = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(60):
        broken = bytearray(whole)
        for at in rng.integers(0, len(broken), 8):
            broken[at] = rng.integers(0, 256)
        for at in 512 * rng.integers(0, len(broken) // 512, 2) + rng.integers(0, 512, 2):
            broken[at] = rng.integers(0, 256)
        path.write_bytes(broken)
        try:
            list(read_shards(path))
        except DataError:
            continue
