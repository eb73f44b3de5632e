"""Attacks side by side over the same targets: images and people, each beside the blind baseline and the paper's."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.metrics.identity_level import SETTINGS, is_shown, people_as_images
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.paired import paired_difference
from faceleak.metrics.repeated import TARGET, measure_repeated
from faceleak.options import Aggregation

Metrics = dict[str, dict[str, Any]]


def compare(
    scores: Mapping[str, pd.DataFrame],
    papers: Mapping[str, str],
    blind: pd.DataFrame,
    blind_name: str,
    how: Aggregation,
    options: BootstrapOptions,
) -> dict[str, Metrics]:
    """Measure every attack: attack → population → metrics.

    scores: attack → table as `measure_repeated` takes it. papers: attack → the attack that it is compared with, under
    the same threat model, for those that are. Populations are `same_identity`, `unseen_identity` and, by people whose
    images' scores are aggregated, `identity` and `identity_other_images`. Besides the metrics of `measure_repeated`
    there is `auc_over_paper`, with its paired interval, unless the attack is the paper's own.
    """
    return {blind_name: _measure(blind, None, None, how, options)} | {
        name: _measure(
            table, blind, None if (paper := papers.get(name, name)) == name else scores.get(paper), how, options
        )
        for name, table in scores.items()
    }


def _measure(
    scores: pd.DataFrame,
    blind: pd.DataFrame | None,
    paper: pd.DataFrame | None,
    how: Aggregation,
    options: BootstrapOptions,
) -> Metrics:
    metrics = _beside_paper(scores, blind, paper, options)
    for setting in SETTINGS:
        people, blind_people, paper_people = (_people(table, setting, how) for table in (scores, blind, paper))
        if people is not None:
            measured = _beside_paper(people, blind_people, paper_people, options)
            metrics[setting] = measured["unseen_identity"]
    return metrics


def _people(scores: pd.DataFrame | None, setting: str, how: Aggregation) -> pd.DataFrame | None:
    if scores is None or not is_shown(scores, setting):
        return None
    parts = [people_as_images(rows, setting, how).assign(target=target) for target, rows in scores.groupby(TARGET)]
    return pd.concat(parts, ignore_index=True)


def _beside_paper(
    scores: pd.DataFrame, blind: pd.DataFrame | None, paper: pd.DataFrame | None, options: BootstrapOptions
) -> Metrics:
    metrics: Metrics = measure_repeated(scores, blind, options)
    if paper is not None:
        for population, difference in paired_difference(scores, paper, options).items():
            metrics[population] |= {
                key.replace("auc_difference", "auc_over_paper"): value
                for key, value in difference.items()
                if key.startswith("auc_difference")
            }
    return metrics
