"""Before a study begins."""

import pytest

from faceleak.membership.options import AttackOptions
from faceleak.tuning.checks import OutsideSpaceError, check_default
from tests.tuning.conftest import DEFAULT, options_of


def test_a_default_that_is_not_searched_is_refused_with_all_reasons() -> None:
    check_default(DEFAULT, options_of())
    other = AttackOptions(signals=["bn_moments"], model="mlp")
    message = (
        r"'norm': `signals\.always` has what it does not read, `signals` lacks what it reads, `model` lacks 'mlp'\."
    )
    with pytest.raises(OutsideSpaceError, match=message):
        check_default(other, options_of())
