import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.text import Annotation, Text

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.privacy_utility import collect, on_pareto_front, privacy_utility_figure, strongest_attackers

# utility and AUC by static, refitted and adaptive attacker: noise on BN statistics, undone by the adaptive one
NOISE = {
    "undefended": (0.945, 0.854, 0.854, 0.863),
    "noise_0.1": (0.944, 0.840, 0.843, 0.863),
    "noise_0.2": (0.936, 0.803, 0.808, 0.863),
    "noise_0.4": (0.891, 0.682, 0.675, 0.863),
    "noise_0.8": (0.801, 0.525, 0.506, 0.863),
    "reestimated_statistics": (0.945, 0.864, 0.863, 0.863),
}
DP = {"epsilon_8": (0.90, 0.60, 0.62, 0.64), "epsilon_2": (0.80, 0.52, 0.53, 0.55)}


def points(variants, half_width=0.02):
    rows = [
        (
            variant,
            attacker,
            utility,
            utility - half_width,
            utility + half_width,
            auc,
            auc - half_width,
            auc + half_width,
        )
        for variant, (utility, *aucs) in variants.items()
        for attacker, auc in zip(("static", "refitted", "adaptive"), aucs, strict=True)
    ]
    metrics = ["utility", "attack_auc"]
    columns = [f"{metric}{end}" for metric in metrics for end in ("", "_ci_low", "_ci_high")]
    return pd.DataFrame(rows, columns=["variant", "attacker", *columns])


def annotations(figure):
    return [text for text in figure.axes[0].texts if isinstance(text, Annotation)]


def test_each_attacker_has_its_marks_joined_in_the_order_of_the_table():
    axes = privacy_utility_figure(points(NOISE)).axes[0]
    marks = {line.get_label(): line for line in axes.lines}
    shapes = {marks[f"{attacker} attacker"].get_marker() for attacker in ("static", "refitted", "adaptive")}
    assert len(shapes) == 3
    expected = [(utility, static) for utility, static, _, _ in NOISE.values()]
    joined = [line for line in axes.lines if line.get_linestyle() == "-"]
    np.testing.assert_allclose(joined[0].get_xydata(), expected)
    np.testing.assert_allclose(marks["static attacker"].get_xydata(), expected)
    assert marks["chance"].get_ydata()[0] == 0.5


def test_the_front_is_that_of_the_strongest_attackers():
    variants = {**NOISE, **DP}
    axes = privacy_utility_figure(points(variants)).axes[0]
    front = next(line for line in axes.lines if line.get_label().startswith("Pareto"))
    # noise costs utility and the adaptive attacker loses nothing by it; re-estimation is as good as undefended at
    # 0.864 for a static attacker, so the undefended target at 0.863 is ahead of it
    np.testing.assert_allclose(front.get_xydata(), [(0.80, 0.55), (0.90, 0.64), (0.945, 0.863)])


def test_every_variant_is_named_once_without_covering_another_name_or_leaving_the_axes():
    variants = {**NOISE, **DP, **{f"defence_number_{i}": (0.943 + i / 2000, 0.8, 0.84, 0.86) for i in range(4)}}
    figure = privacy_utility_figure(points(variants))
    figure.draw_without_rendering()
    texts = annotations(figure)
    assert [text.get_text() for text in texts] == list(variants)
    boxes = [Text.get_window_extent(text) for text in texts]
    frame = figure.axes[0].bbox
    for place, box in enumerate(boxes):
        assert box.count_overlaps(boxes[:place]) == 0
        assert frame.contains(*box.min)
        assert frame.contains(*box.max)


def test_names_stay_clear_of_marks():
    figure = privacy_utility_figure(points(DP))
    figure.draw_without_rendering()
    marks = figure.axes[0].transData.transform(points(DP)[["utility", "attack_auc"]])
    boxes = [Text.get_window_extent(text) for text in annotations(figure)]
    assert not any(box.contains(*mark) for box in boxes for mark in marks)


def test_error_bars_are_drawn_where_intervals_are_known():
    with_intervals = points(DP)
    with_intervals[["utility_ci_low", "utility_ci_high"]] = np.nan
    figure = privacy_utility_figure(with_intervals)
    segments = [
        segment
        for bars in figure.axes[0].collections
        for segment in bars.get_segments()
        if segment.size and np.isfinite(segment).all()
    ]
    assert len(segments) == len(with_intervals)
    np.testing.assert_allclose(segments[0], [(0.90, 0.58), (0.90, 0.62)])


def test_a_variant_counts_as_its_strongest_attacker_has_it():
    strongest = strongest_attackers(points({**DP, "weak": (0.7, 0.9, 0.6, 0.5)}))
    assert strongest[["variant", "attacker"]].to_numpy().tolist() == [
        ["epsilon_8", "adaptive"],
        ["epsilon_2", "adaptive"],
        ["weak", "static"],
    ]


def test_pareto_front_by_hand():
    table = pd.DataFrame({"utility": [0.9, 0.9, 0.8, 0.8, 0.7, 0.9], "attack_auc": [0.8, 0.7, 0.7, 0.6, 0.6, 0.7]})
    assert on_pareto_front(table).tolist() == [False, True, False, True, False, True]


rates = st.integers(0, 4).map(lambda value: value / 4)


@given(st.lists(st.tuples(rates, rates), min_size=1, max_size=12))
@settings(deadline=None)
def test_pareto_front_agrees_with_its_definition(rows):
    table = pd.DataFrame(rows, columns=["utility", "attack_auc"])
    expected = [
        not any((u >= utility and a <= auc) and (u, a) != (utility, auc) for u, a in rows) for utility, auc in rows
    ]
    assert on_pareto_front(table).tolist() == expected


def measured(auc):
    return {"unseen_identity": {"auc": auc, "auc_ci_low": auc - 0.1, "auc_ci_high": auc + 0.1}}


def test_points_are_collected_from_metrics_by_the_strongest_attack_of_each_attacker():
    utility = {"undefended": {"utility": {"verification_auc": 0.94}}, "noise": {"utility": {"verification_auc": 0.9}}}
    membership = {
        "undefended": {
            "membership": {"a_static": measured(0.7), "b_static": measured(0.8), "a_adaptive": measured(0.6)}
        },
        "noise": {"membership": {"a_static": measured(0.5), "a_adaptive": measured(0.6), "blind": measured(0.9)}},
    }
    table = collect(utility, membership, ["static", "adaptive"])
    assert table[["variant", "attacker", "attack", "utility", "attack_auc"]].to_numpy().tolist() == [
        ["undefended", "static", "b", 0.94, 0.8],
        ["undefended", "adaptive", "a", 0.94, 0.6],
        ["noise", "static", "a", 0.9, 0.5],
        ["noise", "adaptive", "a", 0.9, 0.6],
    ]
    np.testing.assert_allclose(table["attack_auc_ci_low"], [0.7, 0.5, 0.4, 0.5])
    assert table["utility_ci_high"].isna().all()
    assert len(annotations(privacy_utility_figure(table))) == 2
    with pytest.raises(ReportingError, match="noise has no utility, or no AUC of a refitted attacker"):
        collect(utility, {"noise": membership["noise"]}, ["refitted"])
    with pytest.raises(ReportingError, match="noise has no utility"):
        collect({}, {"noise": membership["noise"]}, ["static"])


def test_what_cannot_be_drawn_is_refused():
    table = points(DP)
    with pytest.raises(ReportingError, match="lack utility"):
        privacy_utility_figure(table.drop(columns="utility"))
    with pytest.raises(ReportingError, match="6 of 12 points repeat"):
        privacy_utility_figure(pd.concat([table, table]))
    with pytest.raises(ReportingError, match="no utility or no attack AUC"):
        privacy_utility_figure(table.assign(attack_auc=np.nan))
