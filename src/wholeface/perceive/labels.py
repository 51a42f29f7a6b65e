"""The classes of parsing maps and the kinds of occluders."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["FACE_CLASSES", "IGNORE", "EyewearPart", "OccluderKind", "ParsingClass"]

IGNORE = 255  # label of a pixel about which nothing is known


class ParsingClass(IntEnum):
    """What a pixel shows: the 19 classes of CelebAMask-HQ, in its order, and one for occluders.

    Convention: as in CelebAMask-HQ, ``LEFT_…`` is the side at the image's left in a frontal photo, that is, the
    person's own right.

    Source: Lee et al. 2020, "MaskGAN: Towards diverse and interactive facial image manipulation".
    """

    BACKGROUND = 0
    SKIN = 1
    NOSE = 2
    EYEGLASSES = 3
    LEFT_EYE = 4
    RIGHT_EYE = 5
    LEFT_BROW = 6
    RIGHT_BROW = 7
    LEFT_EAR = 8
    RIGHT_EAR = 9
    INNER_MOUTH = 10
    UPPER_LIP = 11
    LOWER_LIP = 12
    HAIR = 13
    HAT = 14
    EARRING = 15
    NECKLACE = 16
    NECK = 17
    CLOTH = 18
    OBJECT = 19  # hand, mask, microphone, cup …: in front of the face, and none of the above


FACE_CLASSES: tuple[ParsingClass, ...] = (
    ParsingClass.SKIN,
    ParsingClass.NOSE,
    ParsingClass.LEFT_EYE,
    ParsingClass.RIGHT_EYE,
    ParsingClass.LEFT_BROW,
    ParsingClass.RIGHT_BROW,
    ParsingClass.INNER_MOUTH,
    ParsingClass.UPPER_LIP,
    ParsingClass.LOWER_LIP,
)
"""Classes whose pixels show the face itself."""


class OccluderKind(IntEnum):
    """What stands in front of the face at a pixel; NONE also outside the face."""

    NONE = 0
    GLASSES = 1  # frames, and lenses only where they reflect so strongly that nothing is seen behind them
    SUNGLASSES = 2
    MASK = 3
    HAND = 4
    HAIR = 5
    SCARF = 6
    HAT = 7
    OBJECT = 8  # microphone, cup, phone, food, cigarette …
    PATCH = 9  # textured blobs and patches of arbitrary pixel values


class EyewearPart(IntEnum):
    """Which part of spectacles a pixel shows."""

    NONE = 0
    FRAME = 1  # rims, bridge, temples
    CLEAR_LENS = 2  # the face is seen through it
    DARK_LENS = (
        3  # tinted, mirrored, or white with reflections: what lies behind is hidden or has other colours
    )
