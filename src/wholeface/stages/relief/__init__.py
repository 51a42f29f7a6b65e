"""Wrinkles and folds on the foundation: what the photo shows of them, what fills the hidden part, the whole head's.

The foundation is the fitted face with its expression; relief is a displacement of it in millimetres along its outer
normal, finer than the face model.

Source: Tran et al. 2018, "Extreme 3D face reconstruction: Seeing through occlusions", CVPR.
"""

from .inputs import FRAME_MARGIN, RELIEF_CHANNELS, ReliefInput, network_input, relief_input, shading_slopes

__all__ = [
    "FRAME_MARGIN",
    "RELIEF_CHANNELS",
    "ReliefInput",
    "network_input",
    "relief_input",
    "shading_slopes",
]
