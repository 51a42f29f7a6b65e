"""How reliable a reconstruction is, in one word and with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..perceive.certainty import BADLY_SEEN

__all__ = ["Quality", "judge"]


@dataclass(frozen=True)
class Quality:
    """A verdict and what it rests on.

    Args:
        verdict: ``good``, ``fair`` or ``poor``.
        reasons: sentences, empty when good.
        face_px: height of the projected face in photo pixels.
        landmark_error: root-mean-square landmark residual over the face height.
        hidden_fraction: share of the face that is hidden, of what lies inside the photo.
        yaw_deg: how far the head is turned, degrees.
        outside_fraction: share of the face that lies outside the photo.
        certainty: how sure it is that this is a face that is seen well enough.
        colour_spread: how much the hue differs over what is seen of it, see :func:`.colours.colour_spread`.
        level: median of the seen face's brightness, sRGB levels from 0 to 255.
    """

    verdict: Literal["good", "fair", "poor"]
    reasons: tuple[str, ...]
    face_px: float
    landmark_error: float
    hidden_fraction: float
    yaw_deg: float
    outside_fraction: float = 0.0
    certainty: float = 1.0
    colour_spread: float = 0.0
    level: float = 128.0

    @property
    def unseen_fraction(self) -> float:
        """Share of the face that is hidden or outside the photo."""
        return _unseen(self.hidden_fraction, self.outside_fraction)


def judge(
    *,
    face_px: float,
    landmark_error: float,
    hidden_fraction: float,
    yaw_deg: float,
    outside_fraction: float = 0.0,
    certainty: float = 1.0,
    colour_spread: float = 0.0,
    level: float = 128.0,
) -> Quality:
    """Verdict from these numbers; the worst of them decides.

    The limits are rules of thumb that tell a user when to look twice; they are not calibrated probabilities.

    Args:
        face_px: height of the projected face in photo pixels.
        landmark_error: root-mean-square landmark residual divided by the face height.
        hidden_fraction: share of the face that is hidden, of what lies inside the photo, [0, 1].
        yaw_deg: head turn in degrees.
        outside_fraction: share of the face that lies outside the photo, [0, 1].
        certainty: how sure it is that this is a face that is seen well enough, [0, 1].
        colour_spread: how much the hue differs over what is seen of the face. On 250 each of portraits, computer-made
            faces and renderings, behind occluders and in coloured light, 1.2 is exceeded by 1 % and 1.8
            by none; on the same images in the false colours of thermal cameras by 80 % and 60 %.
        level: median brightness of the seen face, sRGB levels. Of well-lit portraits of the darkest tone one in
            thirty lies below 50, of all others none; above 240 colours are clipped.
    """
    unseen = _unseen(hidden_fraction, outside_fraction)
    beyond = f"{outside_fraction:.0%} of the face lies outside the photo"
    hidden = f"{hidden_fraction:.0%} of the face is hidden"
    checks = (
        (face_px < 50, face_px < 100, f"the face is only {face_px:.0f} px high"),
        (
            landmark_error > 0.04,
            landmark_error > 0.022,
            f"the model misses the landmarks by {landmark_error:.1%}",
        ),
        (hidden_fraction > 0.6, hidden_fraction > 0.35, hidden),
        (unseen > 0.6 and outside_fraction > 0.05, outside_fraction > 0.05, beyond),
        (abs(yaw_deg) > 65, abs(yaw_deg) > 40, f"the head is turned by {abs(yaw_deg):.0f}°"),
        (certainty < BADLY_SEEN, False, f"the face is badly seen (certainty {certainty:.2f})"),
        (colour_spread > 1.8, colour_spread > 1.2, "its colours are not those of skin in one light"),
        (
            level < 20,
            level < 50,
            f"the face is dark in this photo (level {level:.0f} of 255): little light and dark skin look alike, so "
            "its tone is a guess",
        ),
        (
            level > 250,
            level > 240,
            f"the face is overexposed (level {level:.0f} of 255), so its tone is a guess",
        ),
    )
    reasons = tuple(text for poor, fair, text in checks if poor or fair)
    verdict: Literal["good", "fair", "poor"] = "good"
    if any(fair for _, fair, _ in checks):
        verdict = "fair"
    if any(poor for poor, _, _ in checks):
        verdict = "poor"
    return Quality(
        verdict,
        reasons,
        face_px,
        landmark_error,
        hidden_fraction,
        yaw_deg,
        outside_fraction=outside_fraction,
        certainty=certainty,
        colour_spread=colour_spread,
        level=level,
    )


def _unseen(hidden: float, outside: float) -> float:
    return outside + (1.0 - outside) * hidden
