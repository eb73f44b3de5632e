import math

import pytest

from faceleak.reporting.audit.formats import cell_text, listed, percent
from faceleak.reporting.audit.parts import Measured


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
