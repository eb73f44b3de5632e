"""ROC curves of membership attacks on logarithmic axes, which show low false-positive rates.

Carlini et al., Membership Inference Attacks From First Principles (arXiv 2112.03570): an attack that names a few
members without a false alarm does harm, however close its AUC is to one half.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from faceleak.common.words import counted
from faceleak.membership.options import ModelKey
from faceleak.metrics.membership import MEMBER, POPULATIONS
from faceleak.metrics.roc import auc, non_members_needed, roc_curve
from faceleak.reporting.checks import ReportingError, check_columns, only_value
from faceleak.reporting.style import (
    GRAY,
    LABEL,
    LIGHT_GRAY,
    PALETTE,
    ROLE_MEANINGS,
    SMALL,
    entitle,
    in_turn,
    new_figure,
    tidy,
    words,
)

COLUMNS = ("image_id", "attack", "threat_model", "population", "is_member", "score")
MARKED_RATES = (0.01, 0.001)
THREAT_MODEL_DASHES = ("-", (0, (5, 1.5, 1, 1.5)), (0, (1, 1)))
BLIND_DASHES = (0, (4, 3))
POINTS = 200  # of a curve in the table


def roc_figure(scores: pd.DataFrame, blind: pd.DataFrame, upper_bounds: Collection[str] = ()) -> Figure:
    """Draw a panel a population with a line for each attack and threat model, and one for the blind baseline.

    scores: image_id, variant, attacker, attack, threat_model, population (`member`, `same_identity`,
    `unseen_identity`), is_member and score (higher says member), one row an image and attack, of one attacker against
    one variant. blind: the same columns, as the blind baseline scores the same images. upper_bounds: attacks that the
    legend calls so, since they take more than a headless release gives away.

    Curves are steps: nothing is interpolated. Axes begin at half of the rate that one image makes; what lies on that
    edge is a rate of 0. False-positive rates of 1 % and 0.1 % are marked if there are non-members enough to
    measure them.

    Raises ReportingError if a column is missing, variants or attackers are mixed, or there are no non-members;
    MetricError if a score is not finite or there are no members.
    """
    check_columns(scores, [*COLUMNS, "variant", "attacker"], "scores")
    check_columns(blind, COLUMNS, "blind scores")
    variant, attacker = only_value(scores, "variant", "scores"), only_value(scores, "attacker", "scores")
    populations = [population for population in POPULATIONS if (scores["population"] == population).any()]
    if not populations:
        raise ReportingError(
            f"The scores hold no images of {' or '.join(POPULATIONS)}, so there is nobody to tell members from. "
            "Score non-members as well."
        )
    lines = len(scores[["attack", "threat_model"]].drop_duplicates()) + 2
    figure = new_figure(max(6.5, 5.4 * len(populations)), 5.4 + 0.2 * lines)
    for place, population in enumerate(populations):
        axes = figure.add_subplot(1, len(populations), place + 1)
        _draw_panel(axes, _of_population(scores, population), _of_population(blind, population), upper_bounds)
        title = f"{population}: {ROLE_MEANINGS[population]}\n{_counts(scores, population)}"
        axes.set_title(title, fontsize=LABEL, loc="left")
    by_whom = "" if attacker == "plain" else f", {attacker} attacker"
    entitle(figure, f"Who was in the training set? Membership attacks on “{variant}”{by_whom}")
    return figure


def _of_population(scores: pd.DataFrame, population: str) -> pd.DataFrame:
    return scores[scores["population"].isin([MEMBER, population])]


def _images(scores: pd.DataFrame, population: str) -> int:
    return int(scores.loc[scores["population"] == population, "image_id"].nunique())


def _counts(scores: pd.DataFrame, population: str) -> str:
    return f"{counted(_images(scores, MEMBER), 'member image')}, {_images(scores, population):,} of non-members"


def _draw_panel(axes: Axes, scores: pd.DataFrame, blind: pd.DataFrame, upper_bounds: Collection[str]) -> None:
    images = scores.drop_duplicates("image_id")["is_member"]
    members, non_members = int(images.sum()), int((~images).sum())
    corner = 1 / (2 * non_members), 1 / (2 * max(members, 1))
    axes.set(xscale="log", yscale="log", xlim=(corner[0], 1), ylim=(corner[1], 1))
    tidy(axes)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda rate, _: f"{100 * rate:g} %"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("False-positive rate: non-members called members", fontsize=LABEL)
    axes.set_ylabel("True-positive rate: members found", fontsize=LABEL)
    for rate in MARKED_RATES:
        if non_members >= non_members_needed(rate):
            axes.axvline(rate, color=LIGHT_GRAY, linewidth=1, zorder=0)

    attacks, threat_models = list(scores["attack"].unique()), list(scores["threat_model"].unique())
    for (attack, threat_model), rows in scores.groupby(["attack", "threat_model"], sort=False):
        color = in_turn(PALETTE, attacks.index(attack))
        dashes = in_turn(THREAT_MODEL_DASHES, threat_models.index(threat_model))
        name = f"{attack}, {words(str(threat_model))}" + (" (upper bound)" if attack in upper_bounds else "")
        _draw_curve(axes, rows, name, corner, color=color, linestyle=dashes)
    _draw_curve(axes, blind, "blind baseline, without the target", corner, color=GRAY, linestyle=BLIND_DASHES)
    axes.plot([min(corner), 1], [min(corner), 1], color=GRAY, linewidth=0.8, linestyle=":", label="0.50  chance")
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -0.13), fontsize=SMALL, frameon=False, title="AUC", alignment="left"
    )


def _draw_curve(axes: Axes, scores: pd.DataFrame, name: str, corner: tuple[float, float], **look: Any) -> None:
    score, is_member = scores["score"].to_numpy(float), scores["is_member"].to_numpy(bool)
    curve = roc_curve(score, is_member)
    fpr, tpr = np.maximum(curve.fpr, corner[0]), np.maximum(curve.tpr, corner[1])
    axes.plot(fpr, tpr, drawstyle="steps-post", linewidth=1.6, label=f"{auc(score, is_member):.2f}  {name}", **look)


def roc_points(scores: pd.DataFrame) -> pd.DataFrame:
    """List points of each curve: attack, population, false_positive_rate, true_positive_rate (both in 0…1).

    For tools that draw them themselves (`dvc plots`). scores: attack, threat_model, population, is_member and score, a
    row an image and attack. At most `POINTS` points a curve, evenly spread along it.
    """
    curves = []
    for (attack, threat_model), rows in scores.groupby(["attack", "threat_model"], sort=False):
        for population in POPULATIONS:
            chosen = rows[rows["population"].isin([MEMBER, population])]
            if not chosen["is_member"].all():
                curve = roc_curve(chosen["score"].to_numpy(float), chosen["is_member"].to_numpy(bool))
                kept = np.unique(np.linspace(0, len(curve.fpr) - 1, POINTS).round().astype(int))
                points = {"false_positive_rate": curve.fpr[kept], "true_positive_rate": curve.tpr[kept]}
                name = ModelKey(str(attack), str(threat_model)).name
                curves.append(pd.DataFrame({"attack": name, "population": population, **points}))
    return pd.concat(curves, ignore_index=True)
