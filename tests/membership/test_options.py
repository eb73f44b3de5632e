import pytest
from pydantic import ValidationError

from faceleak.membership.options import AttackOptions, BlindOptions, MembershipOptions

REFERENCES = {"count": 1, "training": {"architecture": "iresnet_tiny", "epochs": 1}}
SMALLEST = {
    "threat_models": ["partial_knowledge"],
    "attacks": {"a": {"signals": ["bn_moments", "bn_distance"]}, "b": {"signals": ["bn_distance"]}},
    "references": REFERENCES,
}
CALIBRATED = SMALLEST | {
    "threat_models": ["partial_knowledge", "shadow"],
    "attacks": SMALLEST["attacks"]
    | {
        "fused": {"signals": ["reference_similarity", "bn_moments"], "calibration": "features"},
        "bavaria": {"signals": ["embedding_norm"], "calibration": "bavaria"},
    },
    "references": REFERENCES | {"count": 4},
}
QUANTILE = {"signals": ["pixel_statistics"], "model": "quantile", "score": "reference_similarity.mean"}


def test_all_signals_of_all_attacks_each_once():
    assert MembershipOptions(**SMALLEST).signals() == ["bn_distance", "bn_moments"]
    assert MembershipOptions(**SMALLEST | {"attacks": {"q": QUANTILE}}).signals() == [
        "pixel_statistics",
        "reference_similarity",
    ]


def test_only_what_calibrated_attacks_need_is_read_off_the_references():
    calibrated = MembershipOptions(**CALIBRATED)
    assert calibrated.calibrated_signals() == ["bn_moments", "embedding_norm", "reference_similarity"]
    assert MembershipOptions(**SMALLEST).calibrated_signals() == []
    scored = {"attacks": {"q": QUANTILE | {"calibration": "lira"}}}
    assert MembershipOptions(**SMALLEST | scored).calibrated_signals() == ["pixel_statistics", "reference_similarity"]


@pytest.mark.parametrize(
    ("attack", "differentiable"),
    [
        ({"signals": ["bn_distance", "bn_moments"]}, True),
        ({"signals": ["bn_distance"], "model": "mlp"}, True),
        ({"signals": ["bn_distance"], "calibration": "features"}, True),
        ({"signals": ["bn_distance"], "layers": "late"}, False),
        ({"signals": ["bn_distance"], "model": "cnn"}, False),
        ({"signals": ["bn_distance"], "calibration": "lira"}, False),
        ({"signals": ["bn_distance", "reference_similarity"]}, False),
    ],
)
def test_what_stage_2_can_maximize(attack, differentiable):
    assert AttackOptions(**attack).is_differentiable() is differentiable


@pytest.mark.parametrize(
    ("calibration", "of_score"), [(None, False), ("features", False), ("difference", True), ("bavaria", True)]
)
def test_whether_the_score_or_its_numbers_are_calibrated(calibration, of_score):
    assert AttackOptions(signals=["bn_distance"], calibration=calibration).calibrates_its_score() is of_score


@pytest.mark.parametrize(
    ("attack", "message"),
    [
        ({"signals": ["bn_distance"], "model": "quantile"}, "`score` names the column .* give both, or neither"),
        (QUANTILE | {"model": "logistic"}, "`score` names the column .* give both, or neither"),
        (QUANTILE | {"score": "reference_similarit.mean"}, "Did you mean 'reference_similarity'"),
        (
            {"signals": ["bn_distance"], "calibration": "lyra"},
            r"Did you mean 'lira'\? Known: features, bavaria, difference, lira, rmia\.",
        ),
    ],
)
def test_an_attack_that_means_nothing_is_refused(attack, message):
    with pytest.raises(ValidationError, match=message):
        AttackOptions(**attack)


ONLINE = {"signals": ["bn_distance"], "calibration": "lira", "online": True}


def test_online_attacks_are_a_kind_of_their_own():
    options = MembershipOptions(**CALIBRATED | {"attacks": CALIBRATED["attacks"] | {"online": ONLINE}})
    assert list(options.online_attacks()) == ["online"]
    assert list(options.offline_attacks()) == ["a", "b", "fused", "bavaria"]
    # what other targets show is read for online attacks, what references show of the same images for the others
    assert options.online_signals() == ["bn_distance"]
    assert options.calibrated_signals() == ["bn_moments", "embedding_norm", "reference_similarity"]


@pytest.mark.parametrize("calibration", [None, "features"])
def test_only_a_calibration_of_the_score_is_online(calibration):
    with pytest.raises(ValidationError, match="`online` takes a `calibration` of the score"):
        AttackOptions(**ONLINE | {"calibration": calibration})


def test_online_attacks_stand_beside_attacks_that_every_pipeline_makes():
    with pytest.raises(ValidationError, match=r"only `online` attacks are named \(online\)"):
        MembershipOptions(**SMALLEST | {"attacks": {"online": ONLINE}})


def test_shadows_that_are_calibrated_take_four_references():
    few = CALIBRATED | {"references": REFERENCES | {"count": 3}}
    with pytest.raises(ValidationError, match=r"count is 3, but fused, bavaria under `shadow` takes 4"):
        MembershipOptions(**few)
    assert MembershipOptions(**few | {"threat_models": ["partial_knowledge"]}).references.count == 3
    assert MembershipOptions(**few | {"attacks": SMALLEST["attacks"]}).references.count == 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threat_models": ["partial"]}, "partial_knowledge"),
        ({"threat_models": []}, "threat_models"),
        ({"attacks": {}}, "attacks"),
        ({"attacks": {"a": {"signals": []}}}, "signals"),
        ({"attacks": {"a": {"signals": ["bn_distanc"]}}}, "Did you mean 'bn_distance'"),
        ({"attacks": {"a": {"signals": ["bn_distance"], "regularization": 0}}}, "regularization"),
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
    assert AttackOptions(signals=["bn_distance"]).regularization == 1


def test_the_papers_attack_is_known_by_what_it_reads_and_not_by_its_name():
    named = {"bn_distance": {"signals": ["embedding_norm"]}, "paper": {"signals": ["bn_distance"], "regularization": 3}}
    assert MembershipOptions(**SMALLEST | {"attacks": named}).papers_attack() == "paper"
    others = {"late": {"signals": ["bn_distance"], "layers": "late"}, "bn_distance": {"signals": ["embedding_norm"]}}
    assert MembershipOptions(**SMALLEST | {"attacks": others}).papers_attack() is None
