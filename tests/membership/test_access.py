import pytest

from faceleak.membership.access import access_of, may_look_at, stage_of, upper_bounds
from faceleak.membership.options import AttackOptions


@pytest.mark.parametrize(
    ("names", "access"),
    [
        (["bn_distance"], "weights"),
        (["bn_moments", "reference_similarity"], "weights"),
        (["reference_similarity", "anchor_similarity", "embedding_norm"], "embeddings"),
        (["pixel_statistics"], "embeddings"),
        (["head_loss"], "head"),
        (["bn_distance", "embedding_norm", "head_loss"], "head"),
    ],
)
def test_an_attack_takes_the_access_of_the_signal_that_takes_most(names, access):
    assert access_of(AttackOptions(signals=names)) == access


def test_the_score_of_quantile_counts_too():
    options = {"signals": ["pixel_statistics"], "model": "quantile", "score": "bn_distance.bn1"}
    assert access_of(AttackOptions(**options)) == "weights"


def test_who_has_embeddings_only_undoes_nothing_that_takes_weights():
    by_embeddings, by_weights = (AttackOptions(signals=[name]) for name in ("embedding_norm", "bn_distance"))
    assert may_look_at(by_embeddings, "noisy")
    assert not may_look_at(by_embeddings, "noisy+bn_reestimation")
    assert may_look_at(by_weights, "noisy+bn_reestimation")


def test_attacks_that_take_the_head_are_upper_bounds():
    attacks = {name: AttackOptions(signals=[name]) for name in ("bn_distance", "reference_similarity", "head_loss")}
    assert upper_bounds(attacks) == ["head_loss"]
    assert stage_of(attacks["head_loss"]) == "upper_bound"
    assert stage_of(attacks["bn_distance"]) == "membership"
    assert may_look_at(attacks["head_loss"], "noisy+bn_reestimation")
