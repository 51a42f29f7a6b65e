"""Masks of the visible face and photometric error, as in Li et al.: ``wholeface bench segmentation``.

Accuracy, precision (PPV), recall (TPR) and F1 with the visible face as the positive class, counted only inside the
rendered region of the face model, averaged over photos (their tables 2 to 4); and the error between photo and
rendering on the true visible face, in sRGB codes from 0 to 255 (their table 1). The paper calls it RMSE; its
published code computes the mean absolute error. Both are given.

One region counts for all rows of a photo: that of our reconstruction. Rows: a mask that finds nothing; the mask by
analysis and synthesis alone (training-free); the parsing network alone; both together, as ``wholeface reconstruct``
does; and, where its weights are installed or given, the segmentation network of FOCUS, which nobody has shown a mask;
beyond the face that it renders it sees nothing occluded. Renderings: the mean face (neutral, mean albedo, posed by
the landmarks) and the mean albedo on the fitted shape, both under the light that fits the photo best, which is chosen
for them; the fitted model under its own light; and what the encoder of FOCUS says in one pass. The completed texture
is no row here: it copies the visible pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ....core.errors import UsageError, WholeFaceError
from ..heads.focus import FocusNetworks
from ..metrics.discrepancy import half_width
from ..metrics.photometric import visible_mae, visible_rmse
from ..metrics.segmentation import FaceSegmentation, occluder_overlap, score_visible_face, summarise
from ..protocol import Metric, Missing, Protocol, Report, RunOptions
from ..report._drawn import drawn
from ..report.table import Cell, Table
from ..sets.segmentation import MaskItem, load_items

if TYPE_CHECKING:
    from ....reconstructor import Reconstructor
    from ....result.reconstruction import Reconstruction

__all__ = ["PROTOCOL", "run"]

Mask = NDArray[np.bool_]
Maker = Callable[["Reconstruction"], Mask]
_OCCLUDED = 0.05  # share of the region from which a face of CelebA counts as occluded
_NOTHING, _FREE, _NETWORK, _BOTH = (
    "a mask that finds nothing", "training-free alone", "network alone", "both, as `wholeface reconstruct`"
)  # fmt: skip
_MEAN, _ALBEDO, _MODEL = "mean face", "mean albedo, fitted shape", "wholeface, fitted model"
_FOCUS, _ENCODER = "FOCUS, no mask was ever shown", "FOCUS, the encoder alone"


@dataclass
class _Found:
    """What was measured, in the order of the items.

    Args:
        segmentation: system -> (item, groups, score, occluder's intersection and union).
        colours: system -> (item, groups, root mean square error, mean absolute error).
    """

    segmentation: dict[str, list[tuple[MaskItem, tuple[str, ...], FaceSegmentation, tuple[int, int]]]] = (
        field(default_factory=dict)
    )
    colours: dict[str, list[tuple[MaskItem, tuple[str, ...], float, float]]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


def run(
    options: RunOptions,
    *,
    masks: Path | None = None,
    focus: Path | None = None,
    reconstructor: Reconstructor | None = None,
) -> Report:
    """See the module's docstring.

    Args:
        options: ``data`` is the folder of CelebAMask-HQ, of AR, or of annotated photos.
        masks: for AR, folder of the hand-drawn masks.
        focus: folder with the weights of FOCUS; None takes the shipped ones, where there are any.
        reconstructor: to measure instead of the shipped one.

    Raises:
        UsageError: a folder that is none of these, or nothing could be measured.
        DataError: a dataset is incomplete or laid out differently.
    """
    from ....reconstructor import Reconstructor

    items, title, notes = load_items(
        options.data, masks, options.count, options.quick, options.seed, options.occluded_split
    )
    if reconstructor is None:
        reconstructor = Reconstructor(texture_size=64)  # the texture has no say
    makers: dict[str, Maker] = {_NOTHING: lambda head: np.zeros_like(head.face_region), _FREE: _training_free}
    parser = reconstructor.parser
    if parser is not None:
        makers[_NETWORK] = lambda head: _network(head, parser)
    else:
        notes.append("left out, because its weights are not installed: the network alone.")
    makers[_BOTH] = lambda head: head.occluder > 0.5
    networks: FocusNetworks | None = FocusNetworks(focus)
    if networks is not None and networks.installed:
        makers[_FOCUS] = _by_focus(networks)
    elif focus is not None:
        raise UsageError(f"{focus}: no focus.safetensors and focus_mask.safetensors there")
    else:
        networks = None
    renderings = (_MEAN, _ALBEDO, _MODEL, *(() if networks is None else (_ENCODER,)))
    found = _Found({name: [] for name in makers}, {name: [] for name in renderings})
    for item in items:
        _measure(item, reconstructor, makers, found, networks)
    if not any(found.segmentation.values()):
        reasons = "; ".join(dict.fromkeys(m.reason for m in found.missing))
        raise UsageError(f"{title}: no photo could be measured: {reasons}")
    return _report(options, found, title, notes)


def _by_focus(networks: FocusNetworks) -> Maker:
    def make(head: Reconstruction) -> Mask:
        state = networks(head)
        assert state.mask is not None
        return state.mask.hidden

    return make


def _measure(
    item: MaskItem,
    reconstructor: Reconstructor,
    makers: Mapping[str, Maker],
    found: _Found,
    networks: FocusNetworks | None,
) -> None:
    """One photo; what goes wrong is written down."""
    fixed = (item.group,) if item.group else ()
    try:
        pixels, visible, hiding = item.load()
        head = reconstructor(pixels)
        region = head.face_region
        if not (visible & region).any():
            raise UsageError("no visible face inside the rendered region; perhaps another face was found")
    except WholeFaceError as error:
        for group in (*fixed, "overall"):
            found.totals[group] = found.totals.get(group, 0) + 1
        found.missing.append(Missing(item.name, "", str(error).removeprefix("<array>: ")))
        return
    if not fixed:
        occluded = region & (~visible if hiding is None else hiding)
        fixed = ("occluded" if occluded.sum() > _OCCLUDED * region.sum() else "unoccluded",)
    groups = (*fixed, "overall")
    for group in groups:
        found.totals[group] = found.totals.get(group, 0) + 1
    for name, make in makers.items():
        try:
            occluded = make(head)
        except WholeFaceError as error:
            found.missing.append(Missing(item.name, name, str(error).removeprefix("<array>: ")))
            continue
        score = score_visible_face(region & ~occluded, visible & region, region, item.name)
        overlap = occluder_overlap(occluded, ~visible, region, item.name)
        found.segmentation[name].append((item, groups, score, overlap))
    for name, drawn_face in _renderings(item, head, found.missing, networks).items():
        seen = visible & region & drawn_face.mask
        rendered = drawn_face.codes
        if not seen.any():
            found.missing.append(Missing(item.name, name, "nothing visible is rendered"))
            continue
        errors = (
            visible_rmse(pixels, rendered, seen, item.name),
            visible_mae(pixels, rendered, seen, item.name),
        )
        found.colours[name].append((item, groups, *errors))


def _training_free(head: Reconstruction) -> Mask:
    from .perception.parsing import training_free_mask

    return training_free_mask(head.model, head.photo.pixels, head.landmarks)


def _network(head: Reconstruction, parser: Any) -> Mask:
    from .perception.parsing import network_mask

    points = head.landmarks.points_478
    if points is None:
        raise UsageError("the network needs the 478 points, which this detector does not give")
    return network_mask(parser.parse(head.photo.pixels, points), *head.photo.pixels.shape[:2])


def _renderings(
    item: MaskItem, head: Reconstruction, missing: list[Missing], networks: FocusNetworks | None
) -> dict[str, Any]:
    """System -> :class:`ModelRendering`. The lights of the mean face look at the pixels that our own mask leaves."""
    import torch

    from ..heads.colours import mean_face_of, rendering_of, with_fitted_light

    pixels = head.photo.pixels
    height, width = pixels.shape[:2]
    look = head.face_region & (head.occluder <= 0.5)
    made: dict[str, Any] = {}
    for name in (_MEAN, _ALBEDO, _MODEL, *(() if networks is None else (_ENCODER,))):
        parameters, camera = head.parameters, head.camera
        try:
            if name == _ENCODER and networks is not None:
                fit = networks(head).fit
                assert fit is not None
                parameters, camera = fit.parameters, fit.camera
            if name == _MEAN:
                parameters, camera = mean_face_of(head.model, head.landmarks, width, height)
            if name == _ALBEDO:
                parameters = parameters.with_(albedo=torch.zeros_like(parameters.albedo))
            if name in (_MEAN, _ALBEDO):
                parameters = with_fitted_light(head.model, parameters, camera, pixels, look)
            made[name] = rendering_of(head.model, parameters, camera)
        except WholeFaceError as error:
            missing.append(Missing(item.name, name, str(error).removeprefix("<array>: ")))
    return made


def _report(options: RunOptions, found: _Found, title: str, notes: list[str]) -> Report:
    groups = [group for group in found.totals if group != "overall"]
    groups += ["overall"] if len(groups) != 1 else []
    metrics: list[Metric] = []
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        for system, results in found.segmentation.items():
            part = [(item, score, overlap) for item, where, score, overlap in results if group in where]
            if not part:
                continue
            total = summarise([score for _, score, _ in part])
            both, either = (sum(overlap[k] for _, _, overlap in part) for k in (0, 1))
            iou = both / either if either else None
            spread = half_width([s.f1 for _, s, _ in part], [i.person for i, _, _ in part], seed=options.seed)
            count = f"{total.count} of {found.totals[group]}"
            rows.append(
                (group, system, count, total.accuracy, total.ppv, total.tpr, total.f1, total.f1_sd, iou)
            )
            common: dict[str, Any] = {
                "system": system, "group": group, "unit": "1", "better": "higher", "count": total.count,
                "total": found.totals[group],
            }  # fmt: skip
            metrics += [
                Metric("visible face, accuracy", value=total.accuracy, **common),
                Metric("visible face, PPV", value=total.ppv, **common),
                Metric("visible face, TPR", value=total.tpr, **common),
                Metric(
                    "visible face, F1",
                    value=total.f1,
                    spread=spread,
                    spread_kind="95 % bootstrap half-width over subjects",
                    **common,
                ),
            ]
            if iou is not None:
                metrics.append(Metric("occluder IoU, pooled", value=iou, **common))
    columns = (
        ("faces", ""), ("mask", ""), ("photos", ""), ("ACC", ".3f"), ("PPV", ".3f"), ("TPR", ".3f"), ("F1", ".3f"),
        ("sd of F1", ".3f"), ("occluder IoU", ".3f"),
    )  # fmt: skip
    tables = [
        Table(
            f"Visible face inside the rendered region: {title}",
            columns,
            rows,
            [
                *notes,
                "means over photos; sd of F1 over photos, as published; occluder IoU over the pixels of all photos.",
            ],
        )
    ]
    colour_rows, colour_metrics = _colour_rows(options, found, groups)
    tables.append(
        Table(
            f"Photometric error on the visible face: {title}",
            (
                ("faces", ""),
                ("rendering", ""),
                ("photos", ""),
                ("RMSE", ".2f"),
                ("sd", ".2f"),
                ("mean abs.", ".2f"),
            ),
            colour_rows,
            [
                "sRGB codes 0 to 255, over true visible pixels inside the rendered region; means and standard "
                "deviation over photos. Fitted to the very pixels that are compared, so it says how expressive a "
                "model is, not how right; the paper's crops are 224 × 224, these are the photos as they are."
            ],
        )
    )

    def draw() -> dict[str, NDArray[np.uint8]]:
        from ..report.plots import cumulative_curve

        errors = {
            system: 100 * (1 - np.array([score.f1 for _, _, score, _ in results]))
            for system, results in found.segmentation.items()
            if results
        }
        return {"segmentation_f1": cumulative_curve(errors, "100 % − F1 of the visible face", title)}

    images, more = drawn(draw)
    tables[0] = Table(tables[0].title, tables[0].columns, tables[0].rows, [*tables[0].notes, *more])
    lines = ["item,mask,accuracy,ppv,tpr,f1,visible_share"]
    lines += [
        f'"{item.name}",{system},{s.accuracy:.5f},{s.ppv:.5f},{s.tpr:.5f},{s.f1:.5f},{s.visible:.5f}'
        for system, results in found.segmentation.items()
        for item, _, s, _ in results
    ]
    return Report(
        tables=tables,
        metrics=metrics + colour_metrics,
        images=images,
        missing=found.missing,
        settings={
            "seed": options.seed,
            "data": None if options.data is None else options.data.name,
            "photos": found.totals,
            "occluded_from_share": _OCCLUDED,
        },
        files={"segmentation.csv": "\n".join(lines) + "\n"},
    )


def _colour_rows(
    options: RunOptions, found: _Found, groups: list[str]
) -> tuple[list[tuple[Cell, ...]], list[Metric]]:
    rows: list[tuple[Cell, ...]] = []
    metrics: list[Metric] = []
    for group in groups:
        for system, results in found.colours.items():
            part = [(item, rmse, mae) for item, where, rmse, mae in results if group in where]
            if not part:
                continue
            squares, absolute = (np.array([p[k] for p in part], np.float64) for k in (1, 2))
            total = found.totals[group]
            count = f"{len(part)} of {total}"
            mean = float(squares.mean())
            rows.append((group, system, count, mean, float(squares.std()), float(absolute.mean())))
            common: dict[str, Any] = {
                "system": system, "group": group, "unit": "sRGB codes 0-255", "count": len(part), "total": total
            }  # fmt: skip
            spread = half_width(list(squares), [item.person for item, _, _ in part], seed=options.seed)
            kind = "95 % bootstrap half-width over subjects"
            metrics += [
                Metric("visible face, RMSE", value=mean, spread=spread, spread_kind=kind, **common),
                Metric("visible face, mean absolute error", value=float(absolute.mean()), **common),
            ]
    return rows, metrics


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="DIR",
        help="for AR: masks of the visible face, DIR/<stem>.png, white = visible face",
    )
    parser.add_argument(
        "--focus",
        type=Path,
        metavar="DIR",
        help="folder with focus.safetensors and focus_mask.safetensors, to measure them too (default: the shipped "
        "ones, where there are any)",
    )


PROTOCOL = Protocol(
    name="segmentation",
    title="Occlusion segmentation and photometric error",
    summary="masks of the visible face and colour errors: CelebAMask-HQ, AR, or held-out rendered faces",
    source="Li et al. 2021, 'To fit or not to fit' (FOCUS), tables 1 to 4",
    run=run,
    add_arguments=_add_arguments,
)
