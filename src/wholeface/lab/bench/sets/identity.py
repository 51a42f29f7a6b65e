"""Several photos of each of several subjects: rendered subjects of the test split, or folders of subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ....core.errors import DataError, UsageError

if TYPE_CHECKING:
    from ...data import FaceSample
    from ...data.occluders.hair.source import HairSource
    from ...data.synthetic.faces import SyntheticFaces

__all__ = ["FilePhotos", "PersonPhoto", "PhotoSet", "SyntheticSubjects", "choose_photos", "open_subjects"]

_SIZE = 250  # pixels, as LFW
_PHOTOS = 1000  # numbers of images kept for each person
_CAMERA = 0.6


@dataclass(frozen=True)
class PersonPhoto:
    """A photo of a known person.

    Args:
        name: of the photo.
        person: who it shows.
        path: where it lies, or None for renderings.
        scene: photos of one scene (frames of one clip) are alike beyond the person.
    """

    name: str
    person: str
    path: Path | None = None
    scene: str = ""


class PhotoSet(Protocol):
    """Photos of known subjects."""

    name: str
    photos: Sequence[PersonPhoto]

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB."""
        ...

    def sample(self, index: int) -> FaceSample | None:
        """The photo with its truth, or None for real photos."""
        ...


class SyntheticSubjects:
    """Rendered subjects who are never trained on, each in several images framed as LFW's.

    Shape, skin and hair are the person's; expression, pose, light, camera, clothes and background are the image's.

    Args:
        subjects: how many; ``photos``: of each.
        seed: of the subjects and images.
        first: number of the first person, so that sets of one seed need not overlap.

    Raises:
        UsageError: no subjects or photos.
    """

    name = "synthetic subjects"

    def __init__(self, subjects: int, photos: int, seed: int = 0, *, first: int = 0) -> None:
        if subjects < 1 or not 1 <= photos <= _PHOTOS:
            raise UsageError(
                f"{subjects} subjects with {photos} photos: at least 1, and at most {_PHOTOS} photos each"
            )
        self.seed = seed
        self._numbers = [(first + p, k) for p in range(subjects) for k in range(photos)]
        self.photos: Sequence[PersonPhoto] = [
            PersonPhoto(f"person {p:04d} photo {k}", f"{p:04d}", scene=str(k)) for p, k in self._numbers
        ]
        self._faces: SyntheticFaces | None = None
        self._hair: HairSource | None = None

    def sample(self, index: int) -> FaceSample:
        """The image with hair, after the camera."""
        from ...data.compositing.camera_effects import apply_camera
        from ...data.compositing.compose import apply_layer
        from ...data.occluders.hair.source import HairSource
        from ...data.synthetic.faces import SyntheticFaces, SyntheticSettings

        if self._faces is None or self._hair is None:
            framing = SyntheticSettings(scale=0.46, scale_range=(0.95, 1.05), shift=0.03)
            self._faces = SyntheticFaces(seed=self.seed, size=_SIZE, split="test", settings=framing)
            self._hair = HairSource()
        person, photo = self._numbers[index]
        number = person * _PHOTOS + photo
        sample = self._faces.sample(number, person=person)
        who = np.random.default_rng([self._faces.seed, person, 2])
        if who.random() < 0.85:
            layer = self._hair.natural(sample, who, "train")
            if layer is not None:
                sample = apply_layer(sample, layer, np.random.default_rng([self._faces.seed, number, 3]))
        lens = np.random.default_rng([self._faces.seed, number, 4])
        image, clean = apply_camera(sample.image, sample.image, lens, _CAMERA)
        return sample.with_(image=image, clean=clean)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """(250, 250, 3) uint8 sRGB."""
        return self.sample(index).image

    def identity(self, index: int) -> NDArray[np.float32]:
        """(K,) true identity coefficients."""
        return self.sample(index).parameters["identity"]


class FilePhotos:
    """Photos in files.

    Args:
        name: of the set.
        photos: each with its path.
    """

    def __init__(self, name: str, photos: Sequence[PersonPhoto]) -> None:
        self.name = name
        self.photos: Sequence[PersonPhoto] = list(photos)

    def pixels(self, index: int) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 sRGB.

        Raises:
            PhotoError: the file is missing or no image.
        """
        from ....photo import read_photo

        path = self.photos[index].path
        if path is None:
            raise UsageError(f"{self.photos[index].name}: a photo of a folder needs a path")
        return read_photo(path).pixels

    def sample(self, index: int) -> None:
        """None: nobody knows the truth of a photo."""


def open_subjects(data: Path) -> FilePhotos:
    """The photos of a folder: video frames with ``points_68.npz``, LFW, or one folder for each person.

    Raises:
        DataError: none of these, or a listed image is missing.
    """
    from ...data.datasets import FaceFolders, LFWPeople

    if not data.is_dir():
        raise DataError(
            f"{data}: no such folder; expected photos of subjects: LFW, one folder for each person, or video "
            "frames with points_68.npz"
        )
    if (data / "points_68.npz").is_file():
        return _video_frames(data)
    try:
        lfw = LFWPeople(data)
        items = [lfw[i] for i in range(len(lfw))]
    except DataError:
        items = []
    if len({item.identity for item in items}) < 2:
        folders = FaceFolders(data)
        items = [folders[i] for i in range(len(folders))]
    return FilePhotos(
        data.name, [PersonPhoto(item.name, item.identity, item.path, item.name) for item in items]
    )


def _video_frames(data: Path) -> FilePhotos:
    index = data / "points_68.npz"
    with np.load(index) as table:
        missing = [key for key in ("image", "person") if key not in table]
        if missing:
            raise DataError(f"{index}: has no {missing[0]!r}; expected 'image', 'person' and perhaps 'clip'")
        names, subjects = table["image"], table["person"]
        clips = table["clip"] if "clip" in table else np.arange(len(names))
    if not len(names) == len(subjects) == len(clips):
        raise DataError(
            f"{index}: {len(names)} images, {len(subjects)} subjects, {len(clips)} clips; expected equal"
        )
    photos = []
    for name, person, clip in zip(names, subjects, clips):
        places = (data / str(name), data / f"{name}.jpg")
        path = next((p for p in places if p.is_file()), None)
        if path is None:
            raise DataError(f"{places[1]}: not there, but {index.name} lists it")
        photos.append(PersonPhoto(str(name), str(person), path, str(clip)))
    return FilePhotos(data.name, photos)


def choose_photos(
    photos: Sequence[PersonPhoto], subjects: int | None, each: int, seed: int = 0
) -> NDArray[np.int64]:
    """Indices of some photos of some subjects.

    Args:
        photos: of which only subjects with two or more count.
        subjects: at most so many, or None for all.
        each: photos of each at most, from different scenes as far as there are.
        seed: of the choice.

    Raises:
        UsageError: fewer than two subjects have two photos.
    """
    if each < 2:
        raise UsageError(f"{each} photos of each person: at least 2")
    rng = np.random.default_rng([seed, 17])
    owners: dict[str, list[int]] = {}
    for i, photo in enumerate(photos):
        owners.setdefault(photo.person, []).append(i)
    names = [name for name, mine in owners.items() if len(mine) >= 2]
    if len(names) < 2:
        raise UsageError(
            f"{len(names)} subjects with two or more photos among {len(photos)}; at least two are needed"
        )
    rng.shuffle(names)
    chosen: list[int] = []
    for name in names[:subjects]:
        mine = owners[name]
        rng.shuffle(mine)
        met: dict[str, int] = {}
        turn = []
        for i in mine:  # first one photo of each scene, then second ones
            turn.append(met.get(photos[i].scene, 0))
            met[photos[i].scene] = turn[-1] + 1
        order = np.argsort(turn, kind="stable")[:each]
        chosen += [mine[k] for k in order]
    return np.array(chosen, np.int64)
