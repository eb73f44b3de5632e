import numpy as np
import pandas as pd
import pytest

from faceleak.metrics.roc import MetricError
from faceleak.reporting.checks import ReportingError
from faceleak.reporting.roc import POINTS, roc_figure, roc_points


def score_table(counts: dict[str, int], attack="bn_distance", threat_model="partial_knowledge", scores=None):
    populations = [population for population, count in counts.items() for _ in range(count)]
    ids = [f"{population}/{i}" for population, count in counts.items() for i in range(count)]
    table = pd.DataFrame({"image_id": ids, "identity": ids, "population": populations})
    table["is_member"] = table["population"] == "member"
    table["score"] = np.random.default_rng(0).normal(size=len(table)) if scores is None else scores
    return table.assign(
        variant="undefended", attacker="plain", attack=attack, threat_model=threat_model, says_member=False
    )


COUNTS = {"member": 50, "same_identity": 40, "unseen_identity": 1000}
BLIND = score_table(COUNTS, attack="blind").assign(variant="")


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_each_population_has_a_panel_on_log_axes_from_half_an_image_to_one():
    figure = roc_figure(score_table(COUNTS), BLIND)
    same, unseen = figure.axes
    for axes, non_members in ((same, 40), (unseen, 1000)):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        assert axes.get_xlim() == pytest.approx((1 / (2 * non_members), 1))
        assert axes.get_ylim() == pytest.approx((1 / 100, 1))
        assert f"{non_members:,} of non-members" in axes.get_title(loc="left")
    assert same.get_title(loc="left").startswith("same_identity")
    assert unseen.get_title(loc="left").startswith("unseen_identity")


def test_rates_are_marked_only_where_there_are_non_members_enough():
    figure = roc_figure(score_table(COUNTS), BLIND)
    marked = [
        [line.get_xdata()[0] for line in axes.lines if len(set(line.get_xdata())) == 1 and line.get_label()[0] == "_"]
        for axes in figure.axes
    ]
    assert marked == [[], [0.01]]  # of 40, and of 1,000, where 0.1 % would take 1,999


def test_the_legend_has_a_line_an_attack_and_threat_model_with_its_auc():
    counts = {"member": 2, "unseen_identity": 2}
    scores = pd.concat(
        [
            score_table(counts, scores=[4.0, 2.0, 3.0, 1.0]),  # members beat 3 of 4 pairs
            score_table(counts, threat_model="shadow", scores=[1.0, 1.0, 1.0, 1.0]),
            score_table(counts, attack="bn_moments", scores=[4.0, 3.0, 2.0, 1.0]),
        ]
    )
    blind = score_table(counts, attack="blind", scores=[1.0, 2.0, 3.0, 4.0])
    (axes,) = roc_figure(scores, blind).axes
    assert labels(axes) == [
        "0.75  bn_distance, partial knowledge",
        "0.50  bn_distance, shadow",
        "1.00  bn_moments, partial knowledge",
        "0.00  blind baseline, without the target",
        "0.50  chance",
    ]
    lines = {line.get_label(): line for line in axes.lines}
    partial, shadow, moments, blind_line, _ = (lines[label] for label in labels(axes))
    assert partial.get_color() == shadow.get_color() != moments.get_color()
    assert partial.get_linestyle() == moments.get_linestyle() != shadow.get_linestyle()
    assert blind_line.get_linestyle() == "--"


def test_the_legend_says_which_line_is_an_upper_bound():
    scores = pd.concat([score_table(COUNTS), score_table(COUNTS, attack="head_loss")])
    told = [label for label in labels(roc_figure(scores, BLIND, ["head_loss"]).axes[1]) if "upper bound" in label]
    assert [label.split("  ")[1] for label in told] == ["head_loss, partial knowledge (upper bound)"]


def test_a_curve_is_made_of_steps_and_a_rate_of_zero_lies_on_the_edge():
    counts = {"member": 2, "unseen_identity": 2}
    (axes,) = roc_figure(score_table(counts, scores=[4.0, 2.0, 3.0, 1.0]), BLIND.iloc[[0, 90]]).axes
    curve = next(line for line in axes.lines if "bn_distance" in line.get_label())
    assert curve.get_drawstyle() == "steps-post"
    # thresholds inf, 4, 3, 2, 1: (0, 0), (0, ½), (½, ½), (½, 1), (1, 1), where 0 is drawn at ¼
    np.testing.assert_allclose(curve.get_xydata(), [(0.25, 0.25), (0.25, 0.5), (0.5, 0.5), (0.5, 1), (1, 1)])


def test_the_title_names_variant_and_attacker():
    scores = score_table(COUNTS)
    assert roc_figure(scores, BLIND).get_suptitle().endswith("“undefended”")
    adaptive = scores.assign(variant="noise_0.4", attacker="adaptive")
    assert roc_figure(adaptive, BLIND).get_suptitle().endswith("“noise_0.4”, adaptive attacker")


def test_what_cannot_be_drawn_is_refused():
    scores = score_table(COUNTS)
    with pytest.raises(ReportingError, match="lack variant, attacker"):
        roc_figure(scores.drop(columns=["variant", "attacker"]), BLIND)
    with pytest.raises(ReportingError, match="blind scores have no rows"):
        roc_figure(scores, BLIND.iloc[:0])
    with pytest.raises(ReportingError, match="2 values of `attacker`"):
        roc_figure(pd.concat([scores, scores.assign(attacker="static")]), BLIND)
    with pytest.raises(ReportingError, match="nobody to tell members from"):
        roc_figure(scores[scores["is_member"]], BLIND)
    with pytest.raises(MetricError, match="0 members"):
        roc_figure(scores[~scores["is_member"]], BLIND)


def two_roles(members: list[float], non_members: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "attack": "bn_distance",
            "threat_model": "shadow",
            "population": ["member"] * len(members) + ["unseen_identity"] * len(non_members),
            "is_member": [True] * len(members) + [False] * len(non_members),
            "score": members + non_members,
        }
    )


def test_points_of_a_curve_by_hand() -> None:
    points = roc_points(two_roles([3.0, 1.0], [2.0, 0.0]))
    assert set(points["attack"]) == {"bn_distance_shadow"}
    assert set(points["population"]) == {"unseen_identity"}
    found = list(zip(points["false_positive_rate"], points["true_positive_rate"], strict=True))
    assert found == [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    points = roc_points(two_roles(list(random.normal(1, 1, 2000)), list(random.normal(0, 1, 2000))))
    assert len(points) == POINTS
    ends = points.iloc[[0, -1]][["false_positive_rate", "true_positive_rate"]].to_numpy()
    np.testing.assert_array_equal(ends, [[0, 0], [1, 1]])
