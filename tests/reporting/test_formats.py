import math

import pytest

from faceleak.reporting.audit.parts import Measured
from faceleak.reporting.formats import HEADINGS, NARROW, cell_text, interval_text, listed, narrow, number_text, percent


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        ("", "–"),
        (math.nan, "–"),
        (True, "yes"),
        (9000, "9,000"),
        (12000.0, "12,000"),
        (1.0, "1.000"),
        (0.12345, "0.123"),
        (1.23e-7, "1.2·10⁻⁷"),
        (Measured(value=0.763, low=0.701, high=0.822), "0.763 [0.701,\u00a00.822]"),
        (Measured(value=0.5), "0.500"),
        (Measured(value=None, low=0.1, high=0.2), "–"),
    ],
)
def test_cells_are_written_as_readers_expect_them(cell, text):
    assert cell_text(cell) == text


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measured(value=0.206, low=0.092, high=0.32), "20.6 % [9.2–32 %]"),
        (Measured(value=1.0, low=0.9999, high=1.0), "100 % [100–100 %]"),
        (Measured(value=0.0), "0 %"),
        (Measured(value=None), "–"),
    ],
)
def test_shares_are_written_in_per_cent(measured, text):
    assert percent(measured).replace("\u00a0", " ") == text


def test_lists_read_as_english():
    assert [listed(names) for names in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]


def test_intervals_are_written_as_far_as_they_are_known():
    assert interval_text({"auc": 0.5, "auc_ci_low": 0.4, "auc_ci_high": 0.6}, "auc") == "0.500 [0.400, 0.600]"
    assert interval_text({"auc": 0.5, "auc_ci_low": None, "auc_ci_high": 0.6}, "auc") == "0.500"
    assert interval_text({"auc": float("nan")}, "auc") == interval_text({}, "auc") == "–"


def test_leads_are_written_with_their_sign_and_people_without_decimals():
    assert interval_text({"match_advantage": 0.5}, "match_advantage") == "+0.500"
    assert number_text({"advantage_over_blind": -0.1}, "advantage_over_blind") == "-0.100"
    assert number_text({"distinct_members": 7.0}, "distinct_members") == "7"
    assert interval_text({"fresh_auc_difference": 0.02}, "fresh_auc_difference", "+.3f") == "+0.020"


def test_a_narrow_heading_is_one_line_in_markdown():
    assert NARROW["tpr_at_fpr_1pct"] == "TPR at\nFPR 1 %"
    assert narrow("tpr_at_fpr_1pct") == "TPR at FPR 1 %"
    assert HEADINGS["tpr_at_fpr_1pct"] == "TPR at 1 % FPR"
