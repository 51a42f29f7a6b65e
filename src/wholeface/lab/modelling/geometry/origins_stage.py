"""Origins stage: identity modes from heads of a second origin behind those of the geometry stage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ....core.errors import UsageError
from ....morphable.model import MorphableModel
from .head import in_nostrils
from .makehuman.origin import load_makehuman, origin_heads
from .makehuman.reading import MAKEHUMAN_PACKAGE
from .makehuman.registration import Topology
from .second_origin import Faces, age_directions, coefficients_of, further_modes, reconstruction_error
from .statistics import rest_weights, vertex_areas, without_rigid

__all__ = ["FIRST_MODES", "faces_of", "learn_second_origin", "topology_of", "with_room"]

Floats = NDArray[np.float64]

FIRST_MODES = 80
"""Identity modes of the first origin, which this stage leaves as they are."""
_VERSION = "1.1"
_MODES, _SHARE = 32, 0.3  # chosen on held-out heads and avatars
_HEADS = 500
_SEED = 20_262
_SETS = (("all_points", None, 0.3), ("120_points_1mm", 120, 1.0), ("120_points_3mm", 120, 3.0))
_DIRECTIONS = {
    "age": "identity coefficients per ten years of adults",
    "childhood": "identity coefficients per year younger than 18",
}


def topology_of(model: MorphableModel) -> Topology:
    """The shipped mesh as the registration of another head needs it.

    Raises:
        UsageError: the model lacks landmarks or a mirror index.
    """
    if model.landmarks_68 is None or model.mirror is None:
        raise UsageError(f"face model {model.name!r} lacks landmarks or a mirror index")
    region = {name: mask.numpy() for name, mask in model.regions.items()}
    corner = model.landmarks_68.barycentric.argmax(dim=1)
    marks = model.triangles[model.landmarks_68.triangle][torch.arange(len(corner)), corner]
    mean = model.mean.double().numpy()
    inside = model.extras["gums"].numpy() | model.extras["tongue"].numpy()
    return Topology(
        points=mean,
        triangles=model.triangles.numpy(),
        mirror=model.mirror.numpy(),
        identity=model.identity[:FIRST_MODES].double().numpy(),
        marks=marks.numpy(),
        skin=region["skin"] & ~in_nostrils(mean),
        face=region["face"],
        loose=region["eyeballs"] | region["teeth"] | inside,
    )


def faces_of(model: MorphableModel) -> Faces:
    """Where heads on the shipped mesh are compared."""
    ours = topology_of(model)
    area = np.where(ours.face, vertex_areas(ours.points, ours.triangles), 0.0)
    skin = model.regions["skin"].numpy()
    return Faces(ours.points, area, rest_weights(ours.points, ours.triangles, ours.face, skin), ours.mirror)


def learn_second_origin(model: MorphableModel, seed: int) -> tuple[MorphableModel, dict[str, Any]]:
    """The model with further identity modes and directions of age, and what the card says about them.

    Its first modes, and with them the meaning of all coefficients of an earlier model, stay as they are.

    Args:
        model: what the geometry stage made, or a later model, whose further modes are replaced.
        seed: of the people.

    Raises:
        ModelFileError: MakeHuman's data are not at hand.
        UsageError: fewer modes than the geometry stage makes.
    """
    if model.identity_size < FIRST_MODES:
        raise UsageError(
            f"{FIRST_MODES} identity modes of the geometry stage are needed, got {model.identity_size}"
        )
    ours, faces = topology_of(model), faces_of(model)
    first = ours.identity
    makehuman = load_makehuman(ours)
    found = origin_heads(makehuman, _HEADS, _SEED + seed)
    heads = ours.points + without_rigid(found.heads - ours.points, ours.points, faces.area)
    modes = further_modes(heads[~found.held_out], first, faces, _MODES, _SHARE)
    identity = np.concatenate([first, modes])
    years = np.array([person.years for person in found.people])
    coefficients = coefficients_of(heads, identity, faces)
    directions, correlations = age_directions(coefficients, years, np.arange(_HEADS) % 4 == 0)
    sets = {
        "draws_of_first_modes": ours.points
        + np.tensordot(np.random.default_rng(_SEED + 1).standard_normal((40, len(first))), first, axes=1),
        "makehuman_adults": heads[found.held_out & (years >= 15)],
        "makehuman_children": heads[found.held_out & (years < 15)],
    }
    distance = makehuman.registration.distance[ours.face]
    report = {
        "source": f"MakeHuman base mesh and targets, from the package {MAKEHUMAN_PACKAGE}",
        "licence": "CC0-1.0",
        "seed": _SEED + seed,
        "modes": _MODES,
        "share": _SHARE,
        "heads": int((~found.held_out).sum()),
        "registration_face_mm": {
            "median": round(float(np.median(distance)), 3),
            "95_percent": round(float(np.percentile(distance, 95)), 3),
        },
        "held_out": {name: len(rows) for name, rows in sets.items()},
        "held_out_rms_mm": {name: _errors(rows, first, identity, faces) for name, rows in sets.items()},
        "directions": _DIRECTIONS,
        "directions_held_out_correlation": {name: round(value, 3) for name, value in correlations.items()},
    }
    extras = {name: v for name, v in model.extras.items() if not name.startswith("direction_")}
    extras |= {f"direction_{name}": torch.from_numpy(v).float() for name, v in directions.items()}
    if "landmarks_478_response" in extras:
        response = extras["landmarks_478_response"]
        extras["landmarks_478_response"] = with_room(response, model.identity_size, len(identity))
    built = replace(
        model,
        version=_VERSION,
        # The first modes to the last bit.
        identity=torch.cat([model.identity[:FIRST_MODES], torch.from_numpy(modes).to(model.identity)]),
        extras=extras,
    )
    return built, report


def with_room(response: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """A detector's response to constant, identity and expression, with other identity modes behind the first.

    To modes that it was not measured for, the detector answers as the surface moves: with nothing of its own.

    Args:
        response: (L, 3, 1 + before + E) mm per unit.
        before, after: identity modes, at least :data:`FIRST_MODES`.

    Returns:
        (L, 3, 1 + after + E).
    """
    constant_and_first = response[..., : 1 + FIRST_MODES]
    unknown = response.new_zeros(*response.shape[:2], after - FIRST_MODES)
    return torch.cat([constant_and_first, unknown, response[..., 1 + before :]], dim=2)


def _errors(heads: Floats, before: Floats, after: Floats, faces: Faces) -> dict[str, dict[str, float]]:
    none = np.zeros((1, *faces.mean.shape))
    return {
        what: {
            label: round(
                reconstruction_error(heads, modes, faces, points=points, noise=noise, seed=_SEED + 2), 3
            )
            for label, modes in (("mean_face", none), ("first_modes", before), ("all_modes", after))
        }
        for what, points, noise in _SETS
    }
