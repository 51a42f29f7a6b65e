"""Are two photos of one person? Identity coefficients compared by their cosine, as Tran et al. and Zhao & Qi do.

LFW's pairs in its ten folds; or, without any download, pairs of rendered subjects in ten folds that share no person.
Accuracy takes the threshold that is best on the other nine folds; 100 %−EER and nAUC (area under the ROC curve) are
taken within each fold; all are means ± standard deviations over folds. With ``--occluder`` the same pairs are
measured behind hands of about 75 × 75 pixels (for photos of 250 × 250, in random places and orientations) or behind
eyeglasses, on both photos of each pair, as the papers do, or on one.

What the papers leave open, and what is done here:

- A photo without a found face has no representation. LFW asks for a decision about every pair: such a pair is decided
  as two subjects at every threshold (``--failures different``), or left out (``leave-out``). Both are counted.
- Accuracy is the mean over both kinds of pairs, which is the share of right decisions where a fold has as many of
  each, as LFW's have. Ties are decided by coins. So the mean face, the same for everybody, is at 50 % exactly.
- Tran et al. refer to their earlier system for the representation; here it is the identity coefficients of the shape
  alone, and nothing is learned on the pairs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError
from ..heads.identity import MEAN_FACE, REPRESENTATIONS, Heads, fast_names, predict_heads
from ..metrics.verification import Verification, cosine_similarity, verify
from ..protocol import Metric, Missing, Protocol, Report, RunOptions
from ..report.table import Cell, Table
from ..sets.identity import PhotoSet, SyntheticSubjects, choose_photos, open_subjects
from ..sets.identity_occluders import OCCLUDERS, PhotoOccluder
from ..sets.identity_pairs import Pairs, balanced_pairs, lfw_pairs

__all__ = ["PROTOCOL", "run"]

FAILURES = ("different", "leave-out")
_FOLDS = 10


def run(
    options: RunOptions,
    *,
    occluder: str = "none",
    occluded_photos: str = "both",
    occluder_root: Path | None = None,
    representation: str = "identity",
    failures: str = "different",
    subjects: int | None = None,
    photos: int | None = None,
    pairs_list: str = "pairs.txt",
    whole: bool = False,
) -> Report:
    """Measure.

    Args:
        options: ``data``: LFW, a folder for each person, or video frames; ``count``: pairs at most.
        occluder: ``none``, ``hands`` or ``glasses``; the clean photos are measured in any case.
        occluded_photos: ``both`` photos of a pair, or ``one``: the second.
        occluder_root: folder of source material with ``occluders/``, or None: drawn ones.
        representation: a key of ``REPRESENTATIONS``.
        failures: pairs with a photo without a face are decided as ``different``, or ``leave-out``.
        subjects: of the synthetic set or of the folder; ``photos``: of each.
        pairs_list: LFW's list in its folder.
        whole: run the whole shipped system instead of its landmark fit.

    Raises:
        UsageError: an option is out of range.
        DataError: the folder has another layout.
    """
    for name, value, known in (
        ("occluder", occluder, OCCLUDERS),
        ("occluded-photos", occluded_photos, ("both", "one")),
        ("representation", representation, tuple(REPRESENTATIONS)),
        ("failures", failures, FAILURES),
    ):
        if value not in known:
            raise UsageError(f"--{name} {value}: choose from {', '.join(known)}")
    from ..systems import load_systems
    from ..systems.own import Shared

    photo_set, pairs = _open(options, subjects, photos, pairs_list)
    pairs = pairs.subset(options.count, options.seed)
    names = fast_names(options.systems, whole=whole)
    systems = load_systems(names) if names else []
    represent = REPRESENTATIONS[representation]
    clean, missing = predict_heads(photo_set, pairs.photos(), systems, represent)
    occluded = None
    if occluder != "none":
        occlude = PhotoOccluder(occluder, occluder_root, options.seed, Shared(), options.designs)
        which = pairs.photos() if occluded_photos == "both" else np.unique(pairs.second)
        occluded, lost = predict_heads(photo_set, which, systems, represent, occlude=occlude)
        missing += [Missing(f"{m.item} ({occluder})", m.system, m.reason) for m in lost]
    rows: list[tuple[Cell, ...]] = []
    metrics: list[Metric] = []
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    groups = ["clean"] if occluded is None else ["clean", occluder]
    for group in groups:
        constant = np.zeros(len(pairs))
        _add(rows, metrics, curves, MEAN_FACE, group, constant, pairs, failures, missing)
        for system in systems:
            first = second = clean[system.name]
            if group != "clean" and occluded is not None:
                second = occluded[system.name]
                first = second if occluded_photos == "both" else first
            scores = _scores(first, second, pairs)
            _add(rows, metrics, curves, system.name, group, scores, pairs, failures, missing)
    title = f"Verification on {photo_set.name}"
    notes = [
        f"{representation} coefficients, cosine; {len(pairs)} pairs in {len(np.unique(pairs.fold))} folds, half "
        "of them of one person; mean ± sd over folds; threshold of the accuracy from the other folds.",
        "pairs with a photo without a face are "
        + ("decided as two subjects." if failures == "different" else "left out."),
    ]
    if "wholeface" in options.systems and not whole:
        notes.append(
            "wholeface landmarks: the landmark fit of the shipped system alone; --whole runs all of it."
        )
    images = _image(curves, title, notes)
    columns = (
        ("system", ""), ("photos", ""), ("accuracy %", ".2f"), ("±", ".2f"), ("100 %−EER", ".2f"), ("± ", ".2f"),
        ("nAUC %", ".2f"), ("±  ", ".2f"), ("pairs", ""),
    )  # fmt: skip
    return Report(
        tables=[Table(title, columns, rows, notes)],
        metrics=metrics,
        images=images,
        missing=missing,
        settings={
            "data": photo_set.name,
            "pairs": len(pairs),
            "photos": len(pairs.photos()),
            "folds": len(np.unique(pairs.fold)),
            "occluder": occluder,
            "occluded_photos": occluded_photos,
            "representation": representation,
            "failures": failures,
            "seed": options.seed,
        },
        files={"pairs.csv": _csv(photo_set, pairs)},
    )


def _open(
    options: RunOptions, subjects: int | None, each: int | None, pairs_list: str
) -> tuple[PhotoSet, Pairs]:
    if options.data is None:
        count = subjects or (20 if options.quick else 100)
        synthetic = SyntheticSubjects(count, each or (3 if options.quick else 4), options.seed)
        indices = np.arange(len(synthetic.photos))
        return synthetic, balanced_pairs(synthetic.photos, indices, folds=_FOLDS, seed=options.seed)
    if (options.data / pairs_list).is_file() and subjects is None:
        photos, pairs = lfw_pairs(options.data, pairs_list)
        quick = pairs.subset(20 * _FOLDS, options.seed) if options.quick and options.count is None else pairs
        return photos, quick
    photos = open_subjects(options.data)
    chosen = choose_photos(
        photos.photos,
        subjects or (20 if options.quick else None),
        each or (3 if options.quick else 4),
        options.seed,
    )
    return photos, balanced_pairs(photos.photos, chosen, folds=_FOLDS, seed=options.seed)


def _scores(first: Heads, second: Heads, pairs: Pairs) -> NDArray[np.float64]:
    """(N,) cosines; −∞ where a photo has no representation."""
    a, b = first.rows(pairs.first), second.rows(pairs.second)
    if a.shape != b.shape:  # nobody has one on one side
        return np.full(len(pairs), -np.inf)
    return cosine_similarity(a, b)


def _add(
    rows: list[tuple[Cell, ...]],
    metrics: list[Metric],
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]],
    system: str,
    group: str,
    scores: NDArray[np.float64],
    pairs: Pairs,
    failures: str,
    missing: list[Missing],
) -> None:
    """A row of the table, its numbers and its curve."""
    there = scores > -np.inf
    used = there if failures == "leave-out" else np.ones(len(scores), bool)
    found: Verification | None = None
    try:
        found = verify(scores[used], pairs.same[used], pairs.fold[used])
    except UsageError as error:
        missing.append(Missing(f"all pairs ({group})", system, str(error)))
    if found is None:
        values = dict.fromkeys(("accuracy", "100 %−EER", "nAUC"), (float("nan"), float("nan")))
    else:
        values = found.summary()
        curves[f"{system}, {group}"] = found.roc
    counted = f"{int(there.sum())} of {len(scores)}"
    rows.append((system, group, *(v for pair in values.values() for v in pair), counted))
    folds = len(np.unique(pairs.fold))
    for name, (mean, deviation) in values.items():
        metrics.append(
            Metric(
                name=name,
                system=system,
                group=group,
                value=mean,
                unit="%",
                better="higher",
                spread=deviation,
                spread_kind=f"sd over {folds} folds",
                count=int(there.sum()),
                total=len(scores),
            )
        )


def _image(
    curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]], title: str, notes: list[str]
) -> dict[str, NDArray[np.uint8]]:
    from ..report.plots import roc_plot

    try:
        return {"verification_roc": roc_plot(curves, title)}
    except UsageError as error:
        notes.append(str(error))
        return {}


def _csv(photos: PhotoSet, pairs: Pairs) -> str:
    lines: Sequence[str] = [
        f"{photos.photos[a].name},{photos.photos[b].name},{int(same)},{fold}"
        for a, b, same, fold in zip(pairs.first, pairs.second, pairs.same, pairs.fold)
    ]
    return "\n".join(["first,second,same,fold", *lines]) + "\n"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--occluder", choices=OCCLUDERS, default="none", help="also behind hands or eyeglasses"
    )
    parser.add_argument(
        "--occluded-photos",
        choices=("both", "one"),
        default="both",
        help="which photos of a pair are occluded",
    )
    parser.add_argument(
        "--occluder-root",
        type=Path,
        help="folder of source material with occluders/; without it they are drawn",
    )
    parser.add_argument("--representation", choices=tuple(REPRESENTATIONS), default="identity")
    parser.add_argument(
        "--failures", choices=FAILURES, default="different", help="what becomes of pairs without a found face"
    )
    parser.add_argument(
        "--people", dest="subjects", type=int, help="subjects of the synthetic set, or taken from the folder"
    )
    parser.add_argument("--photos", type=int, help="photos of each of them")
    parser.add_argument("--pairs-list", default="pairs.txt", help="LFW's list of pairs in its folder")
    parser.add_argument("--whole", action="store_true", help="the whole system, not its landmark fit alone")


PROTOCOL = Protocol(
    name="verification",
    title="Verification",
    summary="are two photos of one person? accuracy, 100 %−EER and nAUC over folds (LFW, or rendered subjects)",
    source="Huang et al. 2007 (LFW); Tran et al. 2018, §5.1 and table 1; Zhao & Qi 2022",
    run=run,
    add_arguments=_arguments,
)
