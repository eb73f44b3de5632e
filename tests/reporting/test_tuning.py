import pandas as pd
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.terminal import tuning_table
from faceleak.reporting.tuning import fresh_figure, front_figure, study_figure, tuning_reading

TRIALS = pd.DataFrame(
    {
        "trial": range(5),
        "state": ["complete", "complete", "pruned", "complete", "complete"],
        "own_auc": [0.90, 0.85, 0.60, 0.97, 1.0],
    }
)


def interval(metric, value, low, high):
    return {metric: value, f"{metric}_ci_low": low, f"{metric}_ci_high": high}


def measured(difference=0.02, low=0.01, high=0.03):
    return {
        "fused_shadow": {"own_auc": 0.9} | interval("fresh_auc", 0.89, 0.85, 0.92) | interval("gap", 0.01, -0.02, 0.05),
        "tuned_shadow": {"own_auc": 0.97} | interval("fresh_auc", 0.91, 0.88, 0.94) | interval("gap", 0.06, 0.03, 0.09),
        "tuned_over_fused_shadow": interval("fresh_auc_difference", difference, low, high),
    }


def test_the_history_shows_all_trials_the_default_and_the_best_so_far():
    figure = study_figure(TRIALS, {"model": 0.7, "calibration": 0.3})
    history, bars = figure.axes
    drawn = {line.get_label(): line.get_ydata() for line in history.lines}
    assert list(drawn["best so far"]) == pytest.approx([0.1, 0.1, 0.03, 1e-4])  # 1 − AUC, on a log axis
    assert list(drawn["default attack"]) == pytest.approx([0.1, 0.1])
    assert list(drawn["pruned: value where it ended"]) == pytest.approx([0.4])
    assert history.yaxis_inverted()
    assert [bar.get_width() for bar in bars.patches] == [0.3, 0.7]
    assert [text.get_text() for text in bars.get_yticklabels()] == ["calibration", "model"]


def test_without_importances_the_panel_says_so():
    bars = study_figure(TRIALS, {}).axes[1]
    assert [text.get_text() for text in bars.texts] == ["too few trials differ to tell"]


def test_without_trials_there_is_no_figure():
    with pytest.raises(ReportingError, match="no rows"):
        study_figure(TRIALS.head(0), {})


def test_own_and_fresh_values_stand_on_one_row_an_attack():
    axes = fresh_figure(measured()).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["fused_shadow", "tuned_shadow"]
    points = sorted((int(line.get_ydata()[0]), float(line.get_xdata()[0])) for line in axes.lines)
    assert points == [(0, 0.89), (0, 0.9), (1, 0.91), (1, 0.97)]


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((0.02, 0.01, 0.03), "tuned beats fused_shadow: +0.020 [0.010, 0.030]"),
        ((0.02, -0.01, 0.05), "tuned and fused_shadow cannot be told apart"),
        ((-0.02, -0.03, -0.01), "tuned is worse than fused_shadow: -0.020 [-0.030, -0.010]. Keep fused_shadow."),
    ],
)
def test_the_reading_follows_the_interval(bounds, text):
    assert text in tuning_reading(measured(*bounds))


def searched(own, fresh, low, high):
    gap = interval("gap", own - fresh, own - high, own - low)
    return {"own_advantage": own} | interval("fresh_advantage", fresh, low, high) | gap


def test_searches_are_compared_in_match_advantage():
    searches = {
        "default": searched(0.2, 0.3, 0.1, 0.5),
        "tuned": searched(0.4, 0.25, 0.0, 0.4),
        "tuned_over_default": interval("fresh_advantage_difference", -0.05, -0.4, 0.2),
    }
    assert tuning_reading(searches) == "On fresh people tuned and default cannot be told apart: -0.050 [-0.400, 0.200]."
    assert [column.header for column in tuning_table(searches).columns][:2] == ["search", "advantage on own data"]
    axes = fresh_figure(searches).axes[0]
    points = sorted((int(line.get_ydata()[0]), float(line.get_xdata()[0])) for line in axes.lines)
    assert points == [(0, 0.2), (0, 0.3), (1, 0.25), (1, 0.4)]


def test_the_table_has_a_row_an_attack():
    table = tuning_table(measured())
    assert [list(column.cells) for column in table.columns][1:] == [
        ["0.900", "0.970"],
        ["0.890 [0.850, 0.920]", "0.910 [0.880, 0.940]"],
        ["+0.010 [-0.020, 0.050]", "+0.060 [0.030, 0.090]"],
    ]


SEARCHES = pd.DataFrame(
    {
        "trial": range(4),
        "own_advantage": [0.2, 0.5, 0.45, 0.1],
        "own_advantage_error": [0.1, 0.1, 0.1, 0.1],
        "steps_per_face": [150.0, 80.0, 30.0, 40.0],
        "on_front": [False, True, True, False],
        "chosen": [False, False, True, False],
    }
)


def test_front_default_and_chosen_point_are_drawn():
    plane, bars = front_figure(SEARCHES, {"steps": 0.7, "rounds": 0.3}).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in plane.lines}
    assert drawn["Pareto front"] == ([30.0, 80.0], [0.45, 0.5])
    assert drawn["default search"] == ([150.0], [0.2])
    assert drawn["chosen"] == ([30.0], [0.45])
    assert [bar.get_width() for bar in bars.patches] == [0.3, 0.7]


def test_what_is_missing_is_told():
    with pytest.raises(ReportingError, match="chosen"):
        front_figure(SEARCHES.drop(columns="chosen"), {})
