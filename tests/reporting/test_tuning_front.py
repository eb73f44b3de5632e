import pandas as pd
import pytest

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.tuning_front import front_figure

TRIALS = pd.DataFrame(
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
    plane, bars = front_figure(TRIALS, {"steps": 0.7, "rounds": 0.3}).axes
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in plane.lines}
    assert drawn["Pareto front"] == ([30.0, 80.0], [0.45, 0.5])
    assert drawn["default search"] == ([150.0], [0.2])
    assert drawn["chosen"] == ([30.0], [0.45])
    assert [bar.get_width() for bar in bars.patches] == [0.3, 0.7]


def test_what_is_missing_is_told():
    with pytest.raises(ReportingError, match="chosen"):
        front_figure(TRIALS.drop(columns="chosen"), {})
