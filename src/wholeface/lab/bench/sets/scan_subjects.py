"""Synthetic subjects with a scan each: several photos of one shape, and miniature copies of datasets made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ...data.synthetic.faces import SyntheticFaces, SyntheticSettings
from ..heads.scan_results import Scan
from ..metrics.scan_distance import SEVEN
from .mesh_files import write_landmarks, write_obj
from .now import CHALLENGES

if TYPE_CHECKING:
    from ....morphable import MorphableModel
    from ...data.samples.sample import FaceSample
    from ...data.synthetic.head import Head

__all__ = ["Person", "subjects", "write_florence", "write_now", "write_picked_points"]

Array = NDArray[np.float64]
_SIZE = 320
_FIRST_SEED = 880_000  # of the test split, where no training seed can be


@dataclass(frozen=True, eq=False)
class Person:
    """Somebody who does not exist.

    Args:
        name: of the folder.
        number: of the person in the series.
        seed: of the series.
        identity: (K,) standard deviations.
        scan: neutral, somewhere in space, as scanners leave it.
        split: of the data engine, for the occluders.
    """

    name: str
    number: int
    seed: int
    identity: NDArray[np.float32]
    scan: Scan
    split: Literal["test", "held_out"] = "held_out"

    def photo(self, which: int, root: Path | None, *, occluded: bool, neutral: bool = False) -> FaceSample:
        """An image of the person; pose, light, skin and expression follow from ``which``.

        Args:
            which: number of the image.
            root: folder of source material for hair and occluders, or None for procedural ones.
            occluded: behind something of the held-out occluders.
            neutral: without expression.
        """
        from ...data.engine import EngineSettings, FaceEngine

        settings = EngineSettings(portraits=0.0, clean=0.0 if occluded else 1.0)
        engine = FaceEngine(root, size=_SIZE, split=self.split, seed=self.seed, settings=settings)
        engine.synthetic = _PersonFaces(self, neutral)
        return engine.sample(self.number * 100 + which)


class _PersonFaces(SyntheticFaces):
    """Synthetic faces that all have one person's shape."""

    def __init__(self, person: Person, neutral: bool) -> None:
        still = SyntheticSettings(identity=0.0)
        super().__init__(seed=person.seed, size=_SIZE, split=person.split, settings=still)
        head = super().head
        mean = head.mean + (person.identity.astype(np.float64) @ head.identity).astype(np.float32)
        self._own_head = replace(head, mean=mean)
        if neutral:
            self._own_head = replace(self._own_head, expression=np.zeros_like(head.expression))

    @property
    def head(self) -> Head:
        """The person's."""
        return self._own_head


def subjects(
    model: MorphableModel, count: int, seed: int, split: Literal["test", "held_out"] = "held_out"
) -> list[Person]:
    """So many subjects, the same for the same seed.

    Args:
        model: the shipped face model.
        count: how many.
        seed: of the series; training never meets any of them.
        split: of the data engine, for the occluders.
    """
    import torch
    from scipy.spatial.transform import Rotation

    out = []
    skin = model.regions["skin"].numpy()
    triangles = model.triangles.numpy()
    for number in range(count):
        rng = np.random.default_rng([_FIRST_SEED + seed, number])
        identity = np.clip(rng.normal(size=model.identity_size), -3, 3).astype(np.float32)
        neutral = model.vertices(torch.from_numpy(identity)).double()
        assert model.landmarks_68 is not None
        marks = model.landmarks_68.points(neutral, model.triangles).numpy()[list(SEVEN)]
        turn = Rotation.from_rotvec(rng.normal(0, 0.3, 3)).as_matrix()
        place = rng.normal(0, 50, 3)
        part = triangles[skin[triangles].all(axis=1)]
        used, corners = np.unique(part, return_inverse=True)
        scan = Scan(neutral.numpy()[used] @ turn.T + place, marks @ turn.T + place, corners.reshape(-1, 3))
        out.append(Person(f"person_{number + 1:02d}", number, _FIRST_SEED + seed, identity, scan, split))
    return out


def write_now(folder: Path, persons: Sequence[Person], root: Path | None) -> None:
    """A copy of the NoW validation set in small: one photo of each challenge for each person.

    Args:
        folder: to write to.
        persons: who is in it.
        root: folder of source material, or None.
    """
    from PIL import Image

    lines = []
    for person in persons:
        write_obj(folder / "scans" / person.name / "scan.obj", person.scan.vertices, _triangles(person))
        write_picked_points(
            folder / "scans_lmks_onlypp" / person.name / "scan_picked_points.pp", person.scan.seven
        )
        for which, challenge in enumerate(CHALLENGES):
            sample = person.photo(
                which,
                root,
                occluded=challenge == "multiview_occlusions",
                neutral=challenge == "multiview_neutral",
            )
            name = f"{person.name}/{challenge}/IMG_{which:04d}"
            for part, suffix in (("iphone_images", ".jpg"), ("detected_face", ".npy")):
                (folder / part / name).with_suffix(suffix).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sample.image).save(folder / "iphone_images" / f"{name}.jpg", quality=95)
            low, high = sample.landmarks_68.min(axis=0), sample.landmarks_68.max(axis=0)
            box = np.array({"top": low[1], "left": low[0], "bottom": high[1], "right": high[0]}, dtype=object)
            np.save(folder / "detected_face" / f"{name}.npy", box, allow_pickle=True)
            lines.append(f"{name}.jpg")
    (folder / "imagepathsvalidation.txt").write_text("\n".join(lines) + "\n", encoding="ascii")


def write_florence(folder: Path, persons: Sequence[Person], root: Path | None) -> None:
    """A copy of the Florence folders in small: one scan and one frame each of two settings for each person."""
    from PIL import Image

    for number, person in enumerate(persons, 1):
        subject = folder / f"subject_{number:02d}"
        scan = subject / "Model" / "frontal1" / "obj" / f"1109201504{number:02d}.obj"
        write_obj(scan, person.scan.vertices, _triangles(person))
        write_landmarks(scan.with_suffix(".txt"), person.scan.seven)
        for which, setting in enumerate(("Indoor-Cooperative", "PTZ-Indoor")):
            sample = person.photo(10 + which, root, occluded=False)
            place = subject / "Videos" / setting
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(sample.image).save(place / "frame0001.jpg", quality=95)


def write_picked_points(path: Path, points: Array) -> None:
    """Landmarks as MeshLab's picked points."""
    rows = "".join(
        f' <point x="{x:.6f}" y="{y:.6f}" z="{z:.6f}" active="1" name="{i}"/>\n'
        for i, (x, y, z) in enumerate(points)
    )
    head = ' <DocumentData>\n  <DateTime date="" time=""/>\n  <User name=""/>\n  <DataFileName name=""/>\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!DOCTYPE PickedPoints>\n<PickedPoints>\n{head}  <templateName name=""/>\n </DocumentData>\n'
        f"{rows}</PickedPoints>\n",
        encoding="ascii",
    )


def _triangles(person: Person) -> NDArray[np.int64]:
    assert person.scan.triangles is not None
    return person.scan.triangles
