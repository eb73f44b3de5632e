"""Comparison of attacks over repeated targets: a table for programs, one for readers, and a forest plot."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from faceleak.common.words import counted
from faceleak.membership.options import BLIND, ModelKey, ThreatModel
from faceleak.metrics.identity_level import SETTINGS
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.formats import ENDS, TPR, interval_text, narrow
from faceleak.reporting.results import Membership
from faceleak.reporting.style import (
    BLACK,
    GRAY,
    LABEL,
    LIGHT_GRAY,
    MARKERS,
    PALETTE,
    SMALL,
    entitle,
    in_turn,
    new_figure,
    shortened,
    tidy,
    words,
)
from faceleak.reporting.tables import results_table

Metrics = Mapping[str, Any]
Tree = Mapping[ModelKey, Mapping[str, Metrics]]

POPULATION_MEANINGS = {  # in the order in which they are shown
    "same_identity": "members' images against other images of theirs",
    "unseen_identity": "members' images against unseen people",
    "identity": "people, by the images trained on",
    "identity_other_images": "people, by other images of theirs",
}
SORTED_BY = ("unseen_identity", "identity", "same_identity", "identity_other_images")  # the first that was measured
OVER_PAPER = "auc_over_paper"
SHOWN = ("auc", TPR, OVER_PAPER, "advantage_over_blind")


def by_model(tree: Mapping[str, Mapping[str, Metrics]], attacks: Iterable[str]) -> Tree:
    """What was measured under a name in metrics (`fused_shadow`), by attack and threat model.

    attacks: those of the configuration. Raises ReportingError where a name is that of none of them.
    """
    models = (ModelKey(attack, known) for attack in (*attacks, BLIND) for known in get_args(ThreatModel))
    named = {model.name: model for model in models}
    if unknown := [name for name in tree if name not in named]:
        raise ReportingError(
            f"{unknown[0]!r} was compared, which is none of membership.attacks under a threat model. Run the `repeats` "
            "pipeline again, or name the attacks in the configuration as they were."
        )
    return {named[name]: measured for name, measured in tree.items()}


def comparison_table(tree: Tree) -> pd.DataFrame:
    """List all metrics, a row each: attack, threat_model, population, metric, value, ci_low, ci_high.

    tree: attack and threat model → population → the metrics of `measure_repeated` and `auc_over_paper`. A missing value
    or bound is NaN. Raises ReportingError where a value is no number.
    """
    named = {model.name: model for model in tree}
    table = results_table({"": {"": {model.name: measured for model, measured in tree.items()}}})
    models = [named[name] for name in table["attack"]]
    return pd.DataFrame(
        {
            "attack": [model.attack for model in models],
            "threat_model": [model.threat_model for model in models],
            "population": table["population_or_step"],
            **{column: table[column] for column in ("metric", "value", "ci_low", "ci_high")},
        }
    )


def comparison_markdown(tree: Tree, upper_bounds: Collection[ModelKey] = ()) -> str:
    """Write a Markdown table a population, the highest AUC first, and what it says of the attacks.

    The blind baseline stands below the attacks, and below it the upper bounds, of which nothing is said.
    tree: as for `comparison_table`. upper_bounds: which of them take more than a headless release gives away.
    Raises ReportingError where no attack was measured.
    """
    return "\n".join(_markdown_of(tree, population, upper_bounds) for population in _populations(tree))


def comparison_figure(tree: Tree, upper_bounds: Collection[ModelKey] = ()) -> Figure:
    """Draw a panel a population: the AUC of every attack with its interval, beside chance and the blind baseline's.

    tree and upper_bounds: as for `comparison_markdown`. Attacks are rows, in every panel in the order of their highest
    AUC against unseen people, upper bounds last; each threat model has a mark of its own.
    Raises ReportingError where no attack was measured.
    """
    populations = _populations(tree)
    attacks = _in_order(tree, next(population for population in SORTED_BY if population in populations), upper_bounds)
    threat_models = sorted({model.threat_model for model in tree if not _is_blind(model)})
    looks: dict[str, dict[str, Any]] = {
        threat_model: {"color": in_turn(PALETTE, place), "marker": in_turn(MARKERS, place)}
        for place, threat_model in enumerate(threat_models)
    }
    figure = new_figure(3 + 3.1 * len(populations), 1.9 + 0.42 * len(attacks))
    panels = figure.subplots(1, len(populations), squeeze=False, sharex=True, sharey=True)[0]
    for axes, population in zip(panels, populations, strict=True):
        _draw_panel(axes, tree, population, attacks, looks, upper_bounds)
    papers = {model.attack for model in tree if _is_papers(tree, model)}
    bounds = {model.attack for model in upper_bounds}
    remarks = dict.fromkeys(bounds, " (upper bound)") | dict.fromkeys(papers, " (the paper's)")
    names = [shortened(attack, 32) + remarks.get(attack, "") for attack in attacks]
    panels[0].set_yticks(range(len(attacks)), names, fontsize=LABEL)
    panels[0].set_ylim(len(attacks) - 0.5, -0.5)
    figure.legend(handles=_legend(looks), loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False)
    targets = int(max(measured[p].get("targets", 1) for measured in tree.values() for p in measured))
    over = f"mean over {targets} targets" if targets > 1 else "one target"
    entitle(figure, f"Which attack tells members best? AUC with interval, {over}")
    return figure


def _is_blind(model: ModelKey) -> bool:
    return model.attack == BLIND


def _populations(tree: Tree) -> list[str]:
    measured = {population for model, populations in tree.items() if not _is_blind(model) for population in populations}
    populations = [population for population in POPULATION_MEANINGS if population in measured]
    if not populations:
        raise ReportingError("No attack was measured, so there is nothing to compare. Run the `repeats` pipeline.")
    return populations


def _ranked(tree: Tree, population: str, upper_bounds: Collection[ModelKey]) -> list[ModelKey]:
    """Who was measured on a population: the highest AUC first, then the blind baseline, then upper bounds."""
    models = [model for model, populations in tree.items() if population in populations]
    return sorted(models, key=lambda model: (model in upper_bounds, _is_blind(model), -tree[model][population]["auc"]))


def _in_order(tree: Tree, population: str, upper_bounds: Collection[ModelKey]) -> list[str]:
    """Attacks by their highest AUC under any threat model; those without this population are last."""
    others = [model for model in tree if population not in tree[model]]
    models = [model for model in (*_ranked(tree, population, upper_bounds), *others) if not _is_blind(model)]
    return list(dict.fromkeys(model.attack for model in models))


def _is_papers(tree: Tree, model: ModelKey) -> bool:
    """Whether this is the attack that all others under its threat model were compared with."""
    compared = {
        other: any(OVER_PAPER in metrics for metrics in populations.values())
        for other, populations in tree.items()
        if not _is_blind(other) and other.threat_model == model.threat_model
    }
    return not compared.get(model, True) and any(compared.values())


def _markdown_of(tree: Tree, population: str, upper_bounds: Collection[ModelKey]) -> str:
    ranked = _ranked(tree, population, upper_bounds)
    header = ("attack", "threat model", *map(narrow, SHOWN))
    rows = [
        header,
        ("---", "---", *len(SHOWN) * ["---:"]),
        *(_row(tree, model, population, upper_bounds) for model in ranked),
    ]
    decisive = {model.name: measured for model, measured in tree.items() if model not in upper_bounds}
    reading = Membership(decisive).reading(population)
    return "\n".join(
        [
            f"### {population}: {POPULATION_MEANINGS[population]}",
            "",
            *(f"| {' | '.join(row)} |" for row in rows),
            "",
            f"{_counted(tree[ranked[0]][population], population)} Reading: {reading}.",
            "",
        ]
    )


def _row(tree: Tree, model: ModelKey, population: str, upper_bounds: Collection[ModelKey]) -> tuple[str, ...]:
    metrics = tree[model][population]
    over_paper = "the paper's" if _is_papers(tree, model) else interval_text(metrics, OVER_PAPER)
    return (
        model.attack.replace("|", "\\|") + (" (upper bound)" if model in upper_bounds else ""),
        words(model.threat_model),
        interval_text(metrics, "auc"),
        interval_text(metrics, TPR),
        over_paper,
        interval_text(metrics, "advantage_over_blind"),
    )


def _counted(metrics: Metrics, population: str) -> str:
    """A sentence on how much was measured."""
    units = ("person", "people") if population in SETTINGS else ("image", "images")
    targets = int(metrics.get("targets", 1))
    over = f"Means over {targets} targets, each" if targets > 1 else "One target,"
    members, non_members = (round(metrics[name]) for name in ("members", "non_members"))
    shown = f"{counted(members, *units)} of members and {non_members:,} of non-members"
    return f"{over} with {shown}; intervals in brackets."


def _draw_panel(
    axes: Axes,
    tree: Tree,
    population: str,
    attacks: list[str],
    looks: Mapping[str, Mapping[str, Any]],
    upper_bounds: Collection[ModelKey],
) -> None:
    for row in range(1, len(attacks), 2):
        axes.axhspan(row - 0.5, row + 0.5, color=LIGHT_GRAY, alpha=0.25, linewidth=0, zorder=0)
    axes.axvline(0.5, color=GRAY, linewidth=0.9, linestyle=":", zorder=1)
    steps = 0.44 / max(1, len(looks) - 1)
    for model in _ranked(tree, population, upper_bounds):
        metrics = tree[model][population]
        value, low, high = (metrics.get(f"auc{end}", float("nan")) for end in ENDS)
        if _is_blind(model):
            axes.axvspan(low, high, color=GRAY, alpha=0.25, linewidth=0, zorder=0.5)
            continue
        y = attacks.index(model.attack) + (list(looks).index(model.threat_model) - (len(looks) - 1) / 2) * steps
        look = looks[model.threat_model]
        axes.hlines(y, low, high, color=look["color"], linewidth=1.4)
        axes.plot(value, y, markersize=5.5, linestyle="none", **look)
        where = axes.get_yaxis_transform()
        axes.text(
            1.01, y, f"{value:.3f}", transform=where, fontsize=SMALL - 1.5, color=BLACK, verticalalignment="center"
        )
    tidy(axes)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("AUC", fontsize=LABEL)
    axes.set_title(f"{population}\n{POPULATION_MEANINGS[population]}", fontsize=SMALL, loc="left")


def _legend(looks: Mapping[str, Mapping[str, Any]]) -> list[Line2D | Patch]:
    return [
        *(Line2D([], [], linewidth=1.4, label=words(name), **look) for name, look in looks.items()),
        Patch(facecolor=GRAY, alpha=0.25, label="interval of the blind baseline"),
        Line2D([], [], color=GRAY, linewidth=0.9, linestyle=":", label="chance"),
    ]
