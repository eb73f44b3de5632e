"""Metrics as one long table for programs, and any table as Markdown."""

from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

import pandas as pd

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.formats import ENDS, NOTHING

Tree = Mapping[str, Any]

RESULT_COLUMNS = ("variant", "stage", "attack", "population_or_step", "metric", "value", "ci_low", "ci_high")


def results_table(metrics: Mapping[str, Tree]) -> pd.DataFrame:
    """List all metrics, a row each: variant, stage, attack, population_or_step, metric, value, ci_low, ci_high.

    metrics: variant → stage → attack → population or step → metric → number. Levels that a metric lacks are empty text,
    deeper ones are joined to the last one with "/"; a missing value or bound is NaN.
    Raises ReportingError for a value that is no number.
    """
    rows = [(variant, *row) for variant, stages in metrics.items() for row in _rows(stages, ())]
    return pd.DataFrame(rows, columns=list(RESULT_COLUMNS))


def _rows(tree: Tree, path: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    stage, attack, *deeper = (*path, "", "")[: max(2, len(path))]
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from _rows(value, (*path, name))
        elif not _is_bound(name, tree):
            numbers = (_number(tree.get(key), key) for key in (name, *(f"{name}{bound}" for bound in ENDS[1:])))
            yield stage, attack, "/".join(deeper), name, *numbers


def _is_bound(name: str, tree: Tree) -> bool:
    return any(name.endswith(bound) and name.removesuffix(bound) in tree for bound in ENDS[1:])


def _number(value: Any, metric: str) -> float:
    if value is None:
        return float("nan")
    if not isinstance(value, Real):
        raise ReportingError(f"`{metric}` is {value!r}, which is no number. Keep everything else out of the metrics.")
    return float(value)


def markdown(table: pd.DataFrame) -> str:
    """Write a table as Markdown: numbers with three decimals to the right, whole numbers without, – if empty."""
    numeric = [pd.api.types.is_numeric_dtype(dtype) for dtype in table.dtypes]
    lines = [
        [str(column) for column in table.columns],
        ["---:" if is_numeric else "---" for is_numeric in numeric],
        *([_markdown_cell(value) for value in row] for row in table.itertuples(index=False)),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _markdown_cell(value: Any) -> str:
    if pd.isna(value):
        return NOTHING
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|")
