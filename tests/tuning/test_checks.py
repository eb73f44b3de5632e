"""Before a study begins."""

import pytest

from faceleak.membership.options import AttackOptions
from faceleak.tuning.checks import HeadInSpaceError, OutsideSpaceError, check_access, check_default
from tests.tuning.conftest import DEFAULT, options_of


def test_a_default_that_is_not_searched_is_refused_with_all_reasons() -> None:
    check_default(DEFAULT, options_of())
    other = AttackOptions(signals=["bn_moments"], model="mlp")
    message = (
        r"'norm': `signals\.always` has what it does not read, `signals` lacks what it reads, `model` lacks 'mlp'\."
    )
    with pytest.raises(OutsideSpaceError, match=message):
        check_default(other, options_of())


def test_the_classification_head_is_no_part_of_a_space() -> None:
    check_access(options_of())
    options = options_of()
    signals = options.space.signals.model_copy(update={"optional": ["head_loss"]})
    space = options.space.model_copy(update={"signals": signals})
    with pytest.raises(HeadInSpaceError, match=r"^tuning\.space\.signals has head_loss, which takes the"):
        check_access(options.model_copy(update={"space": space}))
