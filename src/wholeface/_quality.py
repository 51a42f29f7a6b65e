"""How far to trust a reconstruction, in one word and with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Quality", "judge"]


@dataclass(frozen=True)
class Quality:
    """A verdict and what it rests on.

    Args:
        verdict: ``good``, ``fair`` or ``poor``.
        reasons: sentences, empty when good.
        face_px: height of the projected face in photo pixels.
        landmark_error: root-mean-square landmark residual over the face height.
        hidden_fraction: share of the face that is hidden.
        yaw_deg: how far the head is turned, degrees.
    """

    verdict: Literal["good", "fair", "poor"]
    reasons: tuple[str, ...]
    face_px: float
    landmark_error: float
    hidden_fraction: float
    yaw_deg: float


def judge(*, face_px: float, landmark_error: float, hidden_fraction: float, yaw_deg: float) -> Quality:
    """Verdict from four numbers; the worst of them decides.

    The limits are rules of thumb that tell a user when to look twice; they are not calibrated probabilities.

    Args:
        face_px: height of the projected face in photo pixels.
        landmark_error: root-mean-square landmark residual divided by the face height.
        hidden_fraction: share of the face that is hidden, [0, 1].
        yaw_deg: head turn in degrees.
    """
    checks = (
        (face_px < 50, face_px < 100, f"the face is only {face_px:.0f} px high"),
        (
            landmark_error > 0.04,
            landmark_error > 0.022,
            f"the model misses the landmarks by {landmark_error:.1%}",
        ),
        (hidden_fraction > 0.6, hidden_fraction > 0.35, f"{hidden_fraction:.0%} of the face is hidden"),
        (abs(yaw_deg) > 65, abs(yaw_deg) > 40, f"the head is turned by {abs(yaw_deg):.0f}°"),
    )
    reasons = tuple(text for poor, fair, text in checks if poor or fair)
    verdict: Literal["good", "fair", "poor"] = "good"
    if any(fair for _, fair, _ in checks):
        verdict = "fair"
    if any(poor for poor, _, _ in checks):
        verdict = "poor"
    return Quality(verdict, reasons, face_px, landmark_error, hidden_fraction, yaw_deg)
