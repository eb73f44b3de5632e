"""A small `python -m benchmarks.coverage`: intervals of simulated attacks hold the truth, and claim no certainty."""

import numpy as np
import pytest

from benchmarks.coverage import Setting, simulate
from faceleak.metrics.membership import LOWEST_TPR

AT_LEAST = 0.91  # of 60 data sets; 200 show 0.94 and more


@pytest.mark.parametrize(
    ("setting", "widest"),
    [
        pytest.param(Setting("auc", 50, 1, 0.0, 1.0), 0.21, marks=pytest.mark.slow),
        pytest.param(Setting("auc", 50, 1, 0.0, 3.0), 0.09, marks=pytest.mark.slow),
        (Setting("auc", 50, 1, 0.0, 4.5), 0.08),
        pytest.param(Setting("asr", 50, 1, 0.0, 5.0), 0.11, marks=pytest.mark.slow),
        (Setting(LOWEST_TPR, 50, 1, 0.0, 5.0), 0.09),
        (Setting("tpr_at_fpr_1pct", 50, 10, 1.0, 2.5), 0.37),
        (Setting("advantage_over_blind", 50, 1, 0.0, 6.0, 5.5), 0.15),
    ],
    ids=str,
)
def test_intervals_cover_and_are_not_needlessly_wide(setting, widest):
    found = simulate(setting, data_sets=60, resamples=200)
    assert found.covered >= AT_LEAST
    assert found.value <= found.truth + 0.015
    assert found.width < widest


def test_few_people_cannot_show_a_low_rate():
    assert np.isnan(simulate(Setting("tpr_at_fpr_1pct", 50, 1, 0.0, 1.5), data_sets=3, resamples=100).value)
