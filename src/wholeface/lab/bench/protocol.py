"""What every protocol of the benchmark room is and returns: settings in; tables, numbers and images out."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from .report.table import Table

__all__ = [
    "PROTOCOL_MODULES",
    "Metric",
    "Missing",
    "Protocol",
    "Report",
    "RunOptions",
    "Split",
    "load_protocol",
]

Better = Literal["lower", "higher", "one", "none"]
Split = Literal["validation", "test"]
"""Settings are chosen on ``validation``; ``test`` is what is reported. No person is in both."""


@dataclass(frozen=True)
class Metric:
    """One measured number.

    Args:
        name: what is measured, e.g. ``scan distance, median``.
        system: who was measured, e.g. ``wholeface`` or ``mean face``.
        group: on which part of the set, e.g. ``occlusion`` or ``all``.
        value: the number; NaN when nothing could be measured.
        unit: e.g. ``mm``, ``%``, ``1``.
        better: whether lower or higher values are better, values near one, or none of these.
        spread: how uncertain it is, in the same unit; NaN where that has no meaning.
        spread_kind: what ``spread`` is, e.g. ``sd over folds`` or ``95 % bootstrap half-width over subjects``.
        count: items that the number rests on.
        total: items that it should rest on; a smaller ``count`` is said in the table, never averaged over silently.
    """

    name: str
    system: str
    group: str
    value: float
    unit: str
    better: Better = "lower"
    spread: float = float("nan")
    spread_kind: str = ""
    count: int = 0
    total: int = 0


@dataclass(frozen=True)
class Missing:
    """An item of the set that could not be evaluated, and why.

    Args:
        item: its name.
        system: the system that failed on it, or empty when the item itself is at fault.
        reason: one clause.
    """

    item: str
    system: str
    reason: str


@dataclass(frozen=True)
class Report:
    """What a protocol found.

    Args:
        tables: as people read them, each with a row for the mean face where shapes are compared.
        metrics: the same numbers, one by one.
        images: file stem -> (H, W, 3) uint8: curves, heat maps.
        missing: what was left out.
        settings: everything that the numbers depend on (counts, seeds, radii, folders by their last name).
        files: further files, name -> text (per-item CSV, official submission layouts).
    """

    tables: Sequence[Table]
    metrics: Sequence[Metric]
    images: Mapping[str, NDArray[np.uint8]] = field(default_factory=dict)
    missing: Sequence[Missing] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunOptions:
    """What every protocol is given beside its own options.

    Args:
        systems: names of the systems to compare (see :func:`wholeface.lab.bench.systems.load_systems`).
        data: folder of the dataset, or None: the protocol's synthetic or built-in set.
        quick: small enough for about 20 seconds on two cores.
        count: items at most; None for all (or the protocol's usual number).
        seed: of everything random.
        split: which of the two disjoint series the drawn sets are of;
            :func:`wholeface.lab.bench.report.outputs.run_protocol` keeps their seeds apart.
    """

    systems: Sequence[str] = ("mean face", "wholeface")
    data: Path | None = None
    quick: bool = False
    count: int | None = None
    seed: int = 0
    split: Split = "test"

    @property
    def designs(self) -> Literal["train", "held_out"]:
        """Occluder designs of drawn sets: what the test shows, no setting may have been chosen on."""
        return "held_out" if self.split == "test" else "train"

    @property
    def occluded_split(self) -> Literal["test", "held_out"]:
        """The data engine's split for occluded faces: subjects who are never trained on, behind :attr:`designs`."""
        return "held_out" if self.split == "test" else "test"


@dataclass(frozen=True)
class Protocol:
    """A protocol.

    Args:
        name: the word after ``wholeface bench``.
        title: heading of its tables.
        summary: one line for the command's help.
        source: the publication whose definitions it follows, or empty.
        run: does the work.
        add_arguments: adds the protocol's own options to a parser; their values reach ``run`` as keywords.
        needs_data: it has no set of its own; refuses to run without ``data``.
        material: folder of the source material that ``bench all --data`` gives it, ``.`` for all of it; empty: its
            own set even there.
        packages: modules beyond the package's own that it cannot run without; ``bench all`` leaves it out where
            one of them is missing.
    """

    name: str
    title: str
    summary: str
    source: str
    run: Callable[..., Report]
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None
    needs_data: bool = False
    material: str = ""
    packages: Sequence[str] = ()


PROTOCOL_MODULES: Mapping[str, str] = {
    "now": "protocols.now",
    "florence": "protocols.florence",
    "rendered": "protocols.rendered",
    "segmentation": "protocols.segmentation",
    "landmarks": "protocols.landmarks",
    "distillation": "protocols.distillation",
    "consistency": "protocols.consistency",
    "verification": "protocols.verification",
    "identity": "protocols.identity",
    "likeness": "protocols.likeness",
    "same-person": "protocols.same_person",
    "scaling": "protocols.scaling",
    "occluders": "protocols.occluders",
    "deocclusion": "protocols.deocclusion",
    "shrinkage": "protocols.shrinkage",
    "texture": "protocols.texture",
    "relief": "protocols.relief",
    "perception": "protocols.perception",
    "speed": "protocols.speed",
    "render": "protocols.render",
}
"""Name of each protocol -> its module in this room, which holds ``PROTOCOL``."""


def load_protocol(name: str) -> Protocol:
    """The protocol of that name; its module is imported only now.

    Raises:
        UsageError: there is none.
    """
    if name not in PROTOCOL_MODULES:
        raise UsageError(f"no protocol {name!r}; there are: {', '.join(PROTOCOL_MODULES)}")
    protocol = import_module(f"{__package__}.{PROTOCOL_MODULES[name]}").PROTOCOL
    assert isinstance(protocol, Protocol)
    return protocol
