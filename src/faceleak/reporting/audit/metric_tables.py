"""Trees of metrics as tables, whatever metrics they hold."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from faceleak.metrics.membership import LOWEST_FPR, LOWEST_TPR
from faceleak.reporting.audit.formats import percent
from faceleak.reporting.audit.parts import Cell, Measured, Table
from faceleak.reporting.style import words
from faceleak.reporting.verdict import ASR_ASSUMES

Metrics = Mapping[str, Any]
ENDS = ("_ci_low", "_ci_high")
COUNTS = ("members", "non_members")  # shown last
HEADINGS = {
    "auc": "AUC",
    "asr": "ASR",
    "tpr_at_fpr_1pct": "TPR at 1 % FPR",
    "tpr_at_fpr_0.1pct": "TPR at 0.1 % FPR",
    LOWEST_TPR: "TPR at the lowest FPR",
    LOWEST_FPR: "lowest FPR",
    "advantage_over_blind": "AUC over blind",
    "auc_over_paper": "AUC over the paper's",
    "epsilon_lower_bound": "ε at least",
    "verification_auc": "verification AUC",
    "tar_at_far_0.1pct": "TAR at 0.1 % FAR",
    "lfw_accuracy": "LFW accuracy",
    "kid_to_members": "KID to members",
    "kid_to_controls": "KID to controls",
    "kid_to_public": "KID to public faces",
}


def heading(metric: str) -> str:
    """A metric's name for people."""
    return HEADINGS.get(metric, words(metric))


def measured(metrics: Metrics, metric: str) -> Measured:
    """A metric with its bounds; what is missing or not finite is None."""
    value, low, high = (_finite(metrics.get(f"{metric}{end}")) for end in ("", *ENDS))
    return Measured(value=value, low=low, high=high)


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def none_accused(metrics: Metrics) -> str:
    """What is known of the false-positive rate at a threshold that no non-member of the sample passes, in words."""
    others, at_most = metrics["non_members"], metrics[f"{LOWEST_FPR}_ci_high"]
    return (
        f"with none of {others:,.0f} others accused (guessing finds 1 in {others + 1:,.0f}; that up to "
        f"{percent(Measured(value=at_most))} of others would be accused is possible)"
    )


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
        and not any(name.endswith(end) and name.removesuffix(end) in numbers for end in ENDS)
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
