"""Search spaces are checked before any work."""

import pytest
from pydantic import ValidationError

from faceleak.membership.options import AttackOptions
from faceleak.tuning.options import SearchSpace

SPACE = {
    "signals": {"always": ["bn_moments"], "optional": ["embedding_norm"]},
    "layers": ["all", "late"],
    "model": ["logistic", "mlp"],
    "regularization": [0.1, 10.0],
    "calibration": [None, "features"],
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signals": {"always": []}}, "at least 1 item"),
        ({"signals": {"always": ["bn_momentz"]}}, "bn_momentz"),
        ({"signals": {"always": ["bn_moments"], "optional": ["bn_moments"]}}, "bn_moments stands more than once"),
        ({"layers": ["last"]}, "late"),
        ({"model": []}, "at least 1 item"),
        ({"model": ["quantile"]}, "no trial gives one. Allowed: cnn, logistic, mlp"),
        ({"regularization": [10.0, 0.1]}, "the smaller one first"),
        ({"regularization": [0.0, 1.0]}, "above 0"),
        ({"calibration": ["feature"]}, "features"),
        ({"epochs": [1, 2]}, "Extra inputs"),
    ],
)
def test_wrong_spaces_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SearchSpace(**(SPACE | changes))


def test_the_largest_attack_reads_everything_and_the_references() -> None:
    largest = SearchSpace(**SPACE).largest()
    assert largest.signals_read() == {"bn_moments", "embedding_norm"}
    assert largest.calibration == "features"
    assert SearchSpace(**(SPACE | {"calibration": [None]})).largest().calibration is None


@pytest.mark.parametrize(
    ("attack", "reasons"),
    [
        ({"signals": ["bn_moments"]}, []),
        ({"signals": ["bn_moments", "embedding_norm"], "model": "mlp", "calibration": "features"}, []),
        ({"signals": ["embedding_norm"]}, ["`signals.always` has what it does not read"]),
        ({"signals": ["bn_moments", "bn_distance"]}, ["`signals` lacks what it reads"]),
        ({"signals": ["bn_moments"], "layers": "early"}, ["`layers` lacks 'early'"]),
        ({"signals": ["bn_moments"], "model": "cnn"}, ["`model` lacks 'cnn'"]),
        ({"signals": ["bn_moments"], "regularization": 11}, ["`regularization` does not hold 11.0"]),
        (
            {"signals": ["bn_moments"], "calibration": "bavaria", "online": True},
            ["`calibration` lacks 'bavaria'", "it is `online`"],
        ),
    ],
)
def test_what_lies_outside_is_told_with_all_reasons(attack: dict, reasons: list[str]) -> None:
    assert SearchSpace(**SPACE).outside(AttackOptions(**attack)) == reasons
