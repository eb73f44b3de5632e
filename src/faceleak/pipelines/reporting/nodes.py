"""Reporting: all metrics of a run in one tree and one table."""

from typing import Any

import pandas as pd


def summarise(results: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    """Few numbers a variant, the same for every run: variant → `summary` → name → value."""
    from faceleak.reporting.results import read_variants
    from faceleak.reporting.run_description import summary_numbers

    return {variant.name: {"summary": summary_numbers(variant)} for variant in read_variants(results)}


def tabulate(results: dict[str, dict[str, Any]]) -> pd.DataFrame:
    """Long table of all metrics: variant, stage, attack, population_or_step, metric, value, ci_low, ci_high."""
    from faceleak.reporting.tables import results_table

    return results_table(results)
