"""Reporting: all metrics of a run in one tree and one table."""

from typing import Any

import pandas as pd


def merge_metrics(*trees: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Join metrics by variant: variant → stage → …; a stage that occurs twice for a variant is an error."""
    merged: dict[str, dict[str, Any]] = {}
    for tree in trees:
        for variant, stages in tree.items():
            known = merged.setdefault(variant, {})
            if twice := known.keys() & stages.keys():
                raise ValueError(f"{variant} has metrics of {', '.join(twice)} from two nodes")
            known.update(stages)
    return merged


def tabulate(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Long table of all metrics: variant, stage, attack, population_or_step, metric, value, ci_low, ci_high."""
    from faceleak.reporting.tables import results_table

    return results_table(results)
