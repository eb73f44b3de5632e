import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from faceleak.signals.moments import group_widths


@pytest.mark.parametrize(
    ("channels", "groups", "widths"),
    [(8, 4, [2, 2, 2, 2]), (6, 4, [2, 2, 1, 1]), (4, 4, [1] * 4), (3, 4, [3]), (5, 1, [5])],
)
def test_widths_by_hand(channels, groups, widths):
    assert group_widths(nn.BatchNorm1d(channels), groups) == widths


@given(st.integers(1, 600), st.integers(1, 9))
def test_groups_share_all_channels_equally_up_to_one(channels, groups):
    widths = group_widths(nn.BatchNorm1d(channels), groups)
    assert sum(widths) == channels
    assert len(widths) == (groups if channels >= groups else 1)
    assert max(widths) - min(widths) <= 1
    assert min(widths) >= 1
