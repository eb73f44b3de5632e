import pytest
from pydantic import ValidationError

from faceleak.defenses.private.settings import PrivateSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epsilon": 0},
        {"epsilon": float("inf")},
        {"delta": 1.0},
        {"epsilon": None, "delta": 1e-3},
        {"unit": "person"},
        {"steps": 0},
        {"units_per_step": 0},
        {"views": 0},
        {"clipping_norm": 0},
        {"sigma": 1.0},
    ],
)
def test_what_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        PrivateSettings(**wrong)
