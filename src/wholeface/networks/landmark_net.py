"""N_lmk: all landmarks of a face, hidden ones included, from one small image of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.short_repr import short_repr
from .blocks import ConvNormAct, widened
from .mobile_trunk import MobileTrunk

__all__ = ["LandmarkNet", "LandmarkNetConfig", "LandmarkOutput"]

_FIRST_LOG_SIGMA = 1.6  # the mean shape misses by about five pixels
_MODES = 64  # directions in which faces differ that the last layer begins with
_PERSON = 256  # neurons between the features and the identity's coefficients
_FINE = 24  # channels of the map that the refinement steps read


@dataclass(frozen=True)
class LandmarkNetConfig:
    """Size of the landmark network.

    Args:
        points: number of landmarks.
        input_size: edge of the input in pixels, a multiple of 32.
        width: factor on the channels of MobileNetV3-Small.
        features: neurons of the fully connected layer.
        looked_at: landmarks around which the refinement steps read the image; 0 = no refinement.
        rounds: number of refinement steps, each around the points that the one before left.
        identity: coefficients of the shipped model's identity that are estimated beside the points; 0 = none.
    """

    points: int = 668
    input_size: int = 128
    width: float = 1.0
    features: int = 512
    looked_at: int = 0
    rounds: int = 1
    identity: int = 0


@dataclass(frozen=True)
class LandmarkOutput:
    """What the network says.

    Convention: input pixels, pixel (0, 0) is the centre of the top-left pixel; x to the right, y down.

    Args:
        points: (N, L, 2) pixels of the input.
        log_sigma: (N, L) logarithm of the standard deviation of x and of y, in pixels of the input.
        self_visible: (N, L) logit of "the surface at this point faces the camera and the head does not hide
            it"; all are low where the crop shows no face.
        occluded: (N, L) logit of "an occluder hides this point".
        identity: (N, K) coefficients of the shipped model, the person's mean estimate; K may be 0.
        identity_log_sigma: (N, K) logarithm of their standard deviations; 0 is the model's own spread.
    """

    points: Tensor
    log_sigma: Tensor
    self_visible: Tensor
    occluded: Tensor
    identity: Tensor
    identity_log_sigma: Tensor

    __repr__ = short_repr


class LandmarkNet(MobileTrunk):
    """MobileNetV3-Small; the maps of its last three scales are fused and fully connected to the landmarks.

    A second stage may follow: it reads a map at a quarter of the input's size where the first stage put some of the
    landmarks, corrects all of them by what it sees there, and may do so again.

    Args:
        config: sizes.

    Raises:
        ValueError: an input size that is not a multiple of 32, or a refinement without steps.

    Source: Zhao & Qi, "Generative face parsing map guided 3D face reconstruction under occluded scenes", §3.1;
    Howard et al. 2019, "Searching for MobileNetV3"; Wood et al. 2022, "3D face reconstruction with dense landmarks",
    for the dense points and their uncertainty; Xiong & De la Torre 2013, "Supervised descent method and its
    applications to face alignment", for features read at the current estimate.
    """

    def __init__(self, config: LandmarkNetConfig) -> None:
        super().__init__(config.input_size, config.width, config.features)
        if config.looked_at and config.rounds < 1:
            raise ValueError(f"rounds must be at least 1 where looked_at is not 0, got {config.rounds}")
        self.config = config
        c, swish = widened(config.width), nn.Hardswish
        self.head = nn.Linear(config.features, config.points * 5)
        nn.init.normal_(self.head.weight, std=0.01)
        nn.init.constant_(self.head.bias, 0.0)
        described = config.features
        if config.looked_at:
            self.fine_4 = nn.Conv2d(c(16), _FINE, 1)
            self.fine_8 = nn.Conv2d(c(24), _FINE, 1)
            self.fine_16 = nn.Conv2d(c(48), _FINE, 1)
            self.fine = ConvNormAct(_FINE, _FINE, 3, act=swish)
            described += config.features // 2
            local = _FINE * config.looked_at + config.features
            self.look = nn.Sequential(nn.Linear(local, config.features // 2), nn.Hardswish())
            self.correct = nn.Linear(config.features // 2, config.points * 5)
            nn.init.zeros_(self.correct.weight)
            nn.init.zeros_(self.correct.bias)
            # All of the 68 come first, where there are as many; the others lie about evenly in the list.
            first = min(68, config.looked_at, config.points)
            rest = torch.linspace(first, config.points - 1, config.looked_at - first).round().long()
            self._chosen: Tensor
            self.register_buffer("_chosen", torch.cat([torch.arange(first), rest]), persistent=False)
        if config.identity:
            last = nn.Linear(_PERSON, 2 * config.identity)
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            self.identity = nn.Sequential(nn.Linear(described, _PERSON), nn.Hardswish(), last)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, S, S) in [0, 1] sRGB -> (N, L + R, 5): x, y over the edge from the middle, log sigma, 2 logits.

        The last R = ceil(2K / 5) rows hold K identity coefficients and the logarithms of their standard deviations,
        one after the other. Raw, so that exporters see one tensor; :meth:`read` gives it names.
        """
        w, x, y, z = self.maps(image * 2 - 1)
        features = self.fused(x, y, z)
        out: Tensor = self.head(features)
        if self.config.looked_at:
            fine, seen = self._fine_map(w, x, y), features
            for _ in range(self.config.rounds):
                seen = self.look(torch.cat([self._at_points(fine, out).flatten(1), features], dim=1))
                out = out + self.correct(seen)
            features = torch.cat([features, seen], dim=1)
        if self.config.identity:
            person = self.identity(features)
            out = torch.cat([out, F.pad(person, (0, -2 * self.config.identity % 5))], dim=1)
        return out.view(-1, out.shape[1] // 5, 5)

    def _fine_map(self, w: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """(N, C, S/4, S/4) from the maps at a quarter, an eighth and a sixteenth of the input's size."""
        up_8 = F.interpolate(self.fine_8(x), scale_factor=2.0, mode="nearest")
        up_16 = F.interpolate(self.fine_16(y), scale_factor=4.0, mode="nearest")
        fine: Tensor = self.fine(self.fine_4(w) + up_8 + up_16)
        return fine

    def _at_points(self, fine: Tensor, out: Tensor) -> Tensor:
        """(N, C, P) what the fine map says where some of the landmarks have been put."""
        places = out.detach().view(-1, self.config.points, 5)[:, self._chosen, :2] * 2
        return F.grid_sample(fine, places[:, :, None], padding_mode="border", align_corners=False)[..., 0]

    def read(self, raw: Tensor) -> LandmarkOutput:
        """Names and pixel units for what :meth:`forward` returned."""
        size, count, k = self.config.input_size, self.config.points, self.config.identity
        person = raw[:, count:].flatten(1)
        return LandmarkOutput(
            points=raw[:, :count, :2] * size + (size - 1) / 2,
            log_sigma=raw[:, :count, 2],
            self_visible=raw[:, :count, 3],
            occluded=raw[:, :count, 4],
            identity=person[:, :k],
            identity_log_sigma=person[:, k : 2 * k],
        )

    def last_layers(self) -> list[nn.Parameter]:
        """Weights that end in coordinates."""
        stages = [self.head, self.correct] if self.config.looked_at else [self.head]
        return [parameter for layer in stages for parameter in layer.parameters()]

    def set_shapes(self, points: Tensor, seed: int = 0) -> None:
        """Start from the mean of some faces, the last layer aligned with the directions in which they differ.

        Args:
            points: (N, L, 2) pixels of the input, N of at least 2.
            seed: of the random mixture of those directions that each feature begins with.
        """
        size, features = self.config.input_size, self.config.features
        flat = ((points.double() - (size - 1) / 2) / size).flatten(1)  # (N, 2L)
        mean = flat.mean(dim=0)
        _, strength, modes = torch.linalg.svd(flat - mean, full_matrices=False)
        kept = min(_MODES, len(strength))
        modes = modes[:kept] * (strength[:kept] / len(flat) ** 0.5)[:, None]  # one standard deviation each
        mixture = torch.randn(features, kept, generator=torch.Generator().manual_seed(seed)).double()
        with torch.no_grad():
            weight = self.head.weight.view(-1, 5, features)
            mixed = (mixture @ modes).T.reshape(-1, 2, features) / features**0.5
            weight[:, :2] = mixed.to(weight)
            bias = self.head.bias.view(-1, 5)
            bias[:, :2] = mean.view(-1, 2).to(bias)
            bias[:, 2] = _FIRST_LOG_SIGMA
