"""Blocks of a section: tables of any metrics, other tables, and figures."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import MADE_BY
from faceleak.reporting.audit.parts import Block, Cell, Figure, Paragraph, Table
from faceleak.reporting.formats import ENDS, heading, measured
from faceleak.reporting.style import words
from faceleak.reporting.verdict import ASR_ASSUMES

Metrics = Mapping[str, Any]
COUNTS = ("members", "non_members")  # shown last
WITHOUT_FACES = (
    "bn_distances.png",
    "comparison.png",
    "erasure.png",
    "privacy_utility.png",
    "risk_calibration.png",
    "roc.png",
    "sweep.png",
    "tuning.png",
    "tuning_front.png",
    "tuning_reconstruction.png",
    "tuning_study.png",
)
NAMED = frozenset(name for names in MADE_BY.values() for name in names if name.endswith(".png"))


def metric_table(rows: Mapping[str, Metrics], first: str, caption: str, note: str = "", folded: bool = False) -> Table:
    """One row a name, one column a metric, in the order in which they first occur; `first` heads the names."""
    found = dict.fromkeys(name for numbers in rows.values() for name in _metrics(numbers))
    metrics = sorted(found, key=lambda name: name in COUNTS)
    return Table(
        caption=caption,
        columns=(first, *map(heading, metrics)),
        rows=tuple((name, *(_cell(numbers, metric) for metric in metrics)) for name, numbers in rows.items()),
        note=note or (ASR_ASSUMES if "asr" in metrics else ""),
        folded=folded,
    )


def _cell(numbers: Metrics, metric: str) -> Cell:
    value = numbers.get(metric)
    return value if isinstance(value, int) else measured(numbers, metric)


def _metrics(numbers: Metrics) -> list[str]:
    """Names of numbers that are no bound of another one."""
    return [
        name
        for name, value in numbers.items()
        if not isinstance(value, Mapping)
        and not any(name.endswith(end) and name.removesuffix(end) in numbers for end in ENDS[1:])
    ]


def leaves(tree: Metrics, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Metrics]]:
    """Every group of numbers in a tree, with the names that lead to it."""
    if numbers := {name: value for name, value in tree.items() if not isinstance(value, Mapping)}:
        yield path, numbers
    for name, branch in tree.items():
        if isinstance(branch, Mapping):
            yield from leaves(branch, (*path, name))


def tables_by(tree: Metrics, level: int, first: str, caption: str, folded: bool = False) -> list[Table]:
    """One table for each name at `level` of the tree, its rows named by all other levels.

    caption: with a {} for that name.
    """
    grouped: dict[str, dict[str, Metrics]] = {}
    for path, numbers in leaves(tree):
        group = path[level] if len(path) > level else ""
        others = ", ".join(name for place, name in enumerate(path) if place != level)
        grouped.setdefault(group, {})[others or group] = numbers
    return [metric_table(rows, first, caption.format(name), folded=folded) for name, rows in grouped.items()]


def frame_table(frame: pd.DataFrame, caption: str, columns: Iterable[str] | None = None, **more: Any) -> Table:
    """A table as it is, under its own headings or others; what is missing is None."""
    return Table(
        caption=caption,
        columns=tuple(frame.columns if columns is None else columns),
        rows=tuple(frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)),
        **more,
    )


def figure(evidence: Evidence, file: str, title: str, alt: str) -> Block:
    """The figure, or what to do if it is missing, or that it is left out since it may show people."""
    if evidence.files.use(file) is None:
        return evidence.missing(title, file)
    if file not in WITHOUT_FACES and not evidence.configuration.report.show_people:
        return Paragraph(text=f"{title}: left out, as report.show_people is false.")
    return Figure(file=file, title=title, alt=alt)


def further_figures(evidence: Evidence) -> list[Block]:
    """Figures that no section names."""
    return [
        figure(
            evidence,
            file,
            words(file.removesuffix(".png")).capitalize(),
            f"The figure {file} among the results; what it shows is also told by the tables of this report.",
        )
        for file in evidence.files.pictures
        if file not in NAMED
    ]
