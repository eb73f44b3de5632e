import pytest
from pydantic import ValidationError

from faceleak.reconstruction.options import SearchOptions


@pytest.mark.parametrize(
    ("rounds", "candidates", "starts", "kept"),
    [(1, 100, 5, [5]), (2, 100, 10, [5, 5]), (4, 100, 40, [20, 10, 5, 5]), (4, 30, 30, [20, 10, 5, 5])],
)
def test_each_round_but_the_last_keeps_half(rounds: int, candidates: int, starts: int, kept: list[int]) -> None:
    options = SearchOptions(attack="bn_moments", candidates=candidates, selected=5, rounds=rounds, steps=1)
    assert options.starts == starts
    assert options.kept == kept


def test_no_more_can_be_selected_than_are_drawn() -> None:
    with pytest.raises(ValidationError, match="selected is 6, but only 5 candidates"):
        SearchOptions(attack="bn_moments", candidates=5, selected=6, steps=1)
