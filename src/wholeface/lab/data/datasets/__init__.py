"""The field's datasets as people have them on disk.

Each is a sequence (``len(dataset)``, ``dataset[i]``) of frozen items, ready for a ``torch.utils.data.DataLoader``.
The layout is checked when a dataset is opened; images are read when an item is asked for them.
"""

from .ar import AR
from .celeba import CelebA
from .celebamask import CELEBAMASK_PARTS, CelebAMaskHQ
from .celebamask_samples import CelebAMaskSamples
from .face_folders import FaceFolders
from .items import MapItem, PairItem, PhotoItem, PointsItem, occlusion_masks
from .lfw import LFWPairs, LFWPeople
from .w300 import W300, read_pts
from .wflw import WFLW, WFLW_ATTRIBUTES

__all__ = [
    "AR",
    "CELEBAMASK_PARTS",
    "W300",
    "WFLW",
    "WFLW_ATTRIBUTES",
    "CelebA",
    "CelebAMaskHQ",
    "CelebAMaskSamples",
    "FaceFolders",
    "LFWPairs",
    "LFWPeople",
    "MapItem",
    "PairItem",
    "PhotoItem",
    "PointsItem",
    "occlusion_masks",
    "read_pts",
]
