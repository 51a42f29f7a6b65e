"""Run the protocols and write docs/benchmarks.md: ``python -m wholeface.lab.bench.report.page``."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ....core.errors import WholeFaceError
from ..protocol import PROTOCOL_MODULES

__all__ = ["SECTIONS", "Section", "main", "page"]

_INTRODUCTION = """\
# Measured

Every block below is the unedited output of the command above it; `make benchmarks` writes this page anew.
Times hang on the machine named in the block. What a number means stands in the docstring of its protocol in
`src/wholeface/lab/bench/`.
"""


@dataclass(frozen=True)
class Section:
    """One block of the page.

    Args:
        title: heading.
        text: what is measured and how to read it.
        words: the command's words after ``wholeface``; ``{data}`` and ``{out}`` are replaced.
        needs_data: whether the source material is needed.
        details: folder below ``{out}`` in which the command leaves NAME/NAME.txt, what each protocol printed; these
            follow under a heading each. Empty for none.
    """

    title: str
    text: str
    words: tuple[str, ...]
    needs_data: bool = False
    details: str = ""


SECTIONS = (
    Section(
        "Speed and memory, end to end",
        "The first photo is a fresh process from start to exit, with imports, loading and writing; compiled "
        "kernels are cached from an earlier run. The warm rows are one process that repeats the photo.",
        ("bench", "speed"),
    ),
    Section(
        "Rendering",
        "Rasterising and shading the shipped head, and one forward and backward pass of the differentiable chain.",
        ("bench", "render"),
    ),
    Section(
        "Occluder masks on annotated photos",
        "Sixteen photos with hand-drawn outlines, inside the outlined face only. A mask that finds nothing has an "
        "occluder IoU of 0 and a visible-face F1 of 0.92 on this set.",
        ("bench", "occluders", "--data", "{data}/real_occluded"),
        needs_data=True,
    ),
    Section(
        "De-occlusion of composites",
        "Subjects that were kept apart, behind occluders of designs that were, too, with the true masks. "
        "The hole is where the photo should change; the image is compared with the one without the occluder. "
        "`--mask found` measures with the masks that the method finds.",
        ("bench", "deocclusion", "--data", "{data}"),
        needs_data=True,
    ),
    Section(
        "Likeness by face recognition",
        "People of a set that nothing learned from, neutral, clean and behind held-out occluders; who is recognised "
        "among the smiling photos of all. The judge is a public face-recognition network "
        '(`pip install "face-recognition-models==0.3.0" dlib-bin`) that had no part in training. The clean photo '
        "says what can be reached, the occluded one and the mean face what must be beaten.",
        ("bench", "likeness", "--data", "{data}"),
        needs_data=True,
    ),
    Section(
        "Colours of hidden parts",
        "Clean photos that no network of colours learned from. A part of the face is declared hidden, the face is "
        "lit and completed from the rest, and its colours at the vertices of the mesh are compared with those of the "
        "whole photo. Fitted model: the coarse colours as published; completion: without a generator.",
        ("bench", "texture", "--data", "{data}"),
        needs_data=True,
    ),
    Section(
        "Wrinkles and folds",
        "Fresh renders with folds of known height, of the model's skin and of photographed people's, through the "
        "whole pipeline: what is found of the relief in visible skin, and what is filled in behind occluders. Then "
        "people and rendered subjects, recognised by relief alone; the last table of each set follows the paper's "
        "Table 1. The relief of the foundation is zero: it finds nothing, and its error is that of leaving relief "
        "away. Rendered subjects' pictures share nothing but their folds, and fits of two heads agree to a few "
        "millimetres only, so that even the true folds hardly meet in the atlas; people's albedo, which leaks into "
        "shading, is left with them.",
        ("bench", "relief", "--data", "{data}"),
        needs_data=True,
    ),
    Section(
        "Several photos of one person in one fit",
        "Rendered subjects who were never trained on, each in four images with other expressions, poses and light: "
        "the neutral shape of one photo's fit and of one fit of two and of four photos (`--same-person`), against "
        "the truth.",
        ("bench", "same-person"),
    ),
    Section(
        "Does the fitted identity beat the mean face?",
        "Held-out synthetic faces, rendered, found by the shipped detector and fitted; distances as in NoW. Identity "
        "scaled by each factor; 0 is the mean face. The last table compares subjects in real video frames.",
        ("bench", "shrinkage", "--data", "{data}/video_faces"),
        needs_data=True,
    ),
    Section(
        "Perception: our networks beside mediapipe",
        "Held-out synthetic faces and held-out portraits, clean and behind occluders that were never trained on; the "
        "annotated photos of occluded faces; images without faces. What each table compares "
        "stands below it. Where the reference is mediapipe's own clean prediction, its systematic habits count "
        "against us.",
        ("bench", "perception", "--data", "{data}"),
        needs_data=True,
    ),
    Section(
        "The protocols of the field, in miniature",
        "What each protocol measures on the set that it makes or ships itself, so small that all of them take five "
        "minutes; [benchmark-room.md](benchmark-room.md) says how to run them on the field's data. The numbers of "
        "such small sets say that everything runs and how systems compare within a row; they are **not comparable "
        "with published ones**. The first table holds the first number of each; what each of them prints follows.",
        ("bench", "all", "--quick", "--out", "{out}/all"),
        details="all",
    ),
)


def page(sections: Sequence[Section], data: Path) -> str:
    """Run each section's command and return the page's text.

    Args:
        sections: what to run, in order.
        data: folder of the source material; sections that need it say so where it is missing.

    Raises:
        WholeFaceError: a command failed; the message ends with what it printed.
    """
    parts = [_INTRODUCTION]
    with tempfile.TemporaryDirectory() as out:
        for section in sections:
            shown = " ".join(("wholeface", *section.words)).format(data="../shared/data", out="OUT")
            parts.append(f"## {section.title}\n\n{section.text}\n\n```bash\n{shown}\n```\n")
            if section.needs_data and not data.is_dir():
                parts.append("Not run: the source material is not at hand.\n")
                continue
            words = [word.format(data=data, out=out) for word in section.words]
            print(f"wholeface {' '.join(words)}", file=sys.stderr, flush=True)
            done = subprocess.run(
                [sys.executable, "-m", "wholeface.app.cli", *words],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode != 0:
                raise WholeFaceError(
                    f"`{shown}` failed with {done.returncode}: {done.stderr.strip()[-2000:]}"
                )
            parts.append(f"```text\n{done.stdout.strip()}\n```\n")
            if section.details:
                parts += _details(Path(out) / section.details)
    return "\n".join(parts)


def _details(folder: Path) -> list[str]:
    """A heading and a block for what each protocol has printed, without the lines about the machine."""
    parts = []
    for name in PROTOCOL_MODULES:
        file = folder / name / f"{name}.txt"
        if file.is_file():
            _, _, tables = file.read_text().partition("\n\n")
            parts.append(f"### {name}\n\n```text\n{tables.strip()}\n```\n")
    return parts


def _replaced(old: str, title: str, data: Path) -> str:
    """The page with one section measured anew, or added at the end."""
    chosen = [section for section in SECTIONS if section.title == title]
    heading = f"## {title}\n"
    if not chosen:
        raise WholeFaceError(f"no section {title!r}; there are: {', '.join(s.title for s in SECTIONS)}")
    if heading not in old:
        return old.rstrip("\n") + "\n\n" + heading + page(chosen, data).partition(heading)[2]
    before, _, rest = old.partition(heading)
    _, found, after = rest.partition("\n## ")
    new = page(chosen, data).partition(heading)[2]
    return before + heading + new + (found + after if found else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m wholeface.lab.bench.report.page", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of source material")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks.md"), help="page to write")
    parser.add_argument("--only", metavar="TITLE", help="measure this section alone; the page's others stay")
    options = parser.parse_args(arguments)
    try:
        if options.only is None:
            text = page(SECTIONS, options.data)
        else:
            text = _replaced(options.out.read_text(), options.only, options.data)
    except WholeFaceError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    options.out.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
