import pytest
from pydantic import ValidationError

from faceleak.membership.options import AttackOptions, BlindOptions, MembershipOptions

REFERENCES = {"count": 1, "training": {"architecture": "iresnet_tiny", "epochs": 1}}
SMALLEST = {
    "threat_models": ["partial_knowledge"],
    "attacks": {"a": {"signals": ["bn_moments", "bn_distance"]}, "b": {"signals": ["bn_distance"]}},
    "references": REFERENCES,
}


def test_all_signals_of_all_attacks_each_once():
    assert MembershipOptions(**SMALLEST).signals() == ["bn_distance", "bn_moments"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threat_models": ["partial"]}, "partial_knowledge"),
        ({"threat_models": []}, "threat_models"),
        ({"attacks": {}}, "attacks"),
        ({"attacks": {"a": {"signals": []}}}, "signals"),
        ({"attacks": {"a": {"signals": ["bn_distanc"]}}}, "Did you mean 'bn_distance'"),
        ({"attacks": {"a": {"signals": ["bn_distance"], "regularisation": 0}}}, "regularisation"),
        ({"blind": {"signals": ["pixel_statistic"]}}, "Did you mean 'pixel_statistics'"),
        ({"blind": {"reference_signals": ["nonsense"]}}, "no signal 'nonsense'"),
        ({"references": REFERENCES | {"count": 0}}, "count"),
        ({"references": REFERENCES | {"member_share": 1}}, "member_share"),
        ({"references": REFERENCES | {"training_share": 0}}, "training_share"),
        ({"reference": REFERENCES}, "reference\n.*[Ee]xtra"),
    ],
)
def test_what_means_nothing_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        MembershipOptions(**(SMALLEST | wrong))


def test_defaults_are_not_shared():
    assert BlindOptions().signals is not BlindOptions().signals
    assert AttackOptions(signals=["bn_distance"]).regularisation == 1
