import numpy as np
import pandas as pd
import pytest

from faceleak.membership import attacks
from faceleak.membership.attackers import Evaluation, View
from faceleak.membership.attacks import fit_attack
from faceleak.membership.inputs import AttackInput
from faceleak.membership.models.base import AttackFitError
from faceleak.membership.options import AttackOptions
from faceleak.membership.views import (
    access_of,
    can_be_made,
    may_look_at,
    own_auc,
    readable_columns,
    stage_of,
    strongest,
    upper_bounds,
)


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


def test_who_has_embeddings_only_bypasses_nothing_that_takes_weights():
    by_embeddings, by_weights = (AttackOptions(signals=[name]) for name in ("embedding_norm", "bn_distance"))
    assert may_look_at(by_embeddings, View("noisy"))
    assert not may_look_at(by_embeddings, View("noisy", "bn_reestimation"))
    assert may_look_at(by_weights, View("noisy", "bn_reestimation"))


def test_attacks_that_take_the_head_are_upper_bounds():
    attacks = {name: AttackOptions(signals=[name]) for name in ("bn_distance", "reference_similarity", "head_loss")}
    assert upper_bounds(attacks) == ["head_loss"]
    assert stage_of(attacks["head_loss"]) == "upper_bound"
    assert stage_of(attacks["bn_distance"]) == "membership"
    assert may_look_at(attacks["head_loss"], View("noisy", "bn_reestimation"))


OPTIONS = AttackOptions(signals=["bn_distance"])


def known(gap: float, people: int = 60, images: int = 4) -> AttackInput:
    """Known people, half of them members, whose one number lies `gap` higher."""
    identities = np.repeat(np.arange(people), images)
    is_member = identities % 2 == 0
    values = np.random.default_rng(1).normal(size=len(identities)) + gap * is_member
    table = pd.DataFrame({"identity": identities.astype(str), "is_member": is_member})
    table["image_id"] = [f"{row}" for row in range(len(table))]
    return AttackInput(table, pd.DataFrame({"bn_distance.bn1": values}), [], np.zeros((len(table), 0), bool))


class Fitted:
    def __init__(self, own_auc: float | None) -> None:
        self.own_auc = own_auc


def test_own_auc_is_that_of_people_left_out():
    assert own_auc(known(2.0), OPTIONS) == pytest.approx(0.92, abs=0.04)  # Φ(2/√2) = 0.921
    assert own_auc(known(0.0), OPTIONS) == pytest.approx(0.5, abs=0.1)


def test_own_auc_does_not_reward_numbers_that_only_name_the_person():
    inputs = known(0.0)
    names = pd.get_dummies(inputs.images["identity"], prefix="bn_distance.person", dtype=float)
    named = AttackInput(inputs.images, names, [], inputs.out)
    assert own_auc(named, OPTIONS) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("calibration", [None, "features", "bavaria"])
def test_own_auc_is_that_of_whole_fits_to_the_bit(calibration, monkeypatch):
    options, plain = AttackOptions(signals=["bn_distance"], calibration=calibration), known(1.0)
    noise = np.random.default_rng(2).normal(size=(4, len(plain.own), 1))
    references = [plain.own + values for values in noise]
    inputs = AttackInput(plain.images, plain.own, references, np.ones((len(plain.own), 4), bool))
    found = own_auc(inputs, options)
    monkeypatch.setattr(attacks, "fit_attack", lambda known, options, with_threshold: fit_attack(known, options))
    assert own_auc(inputs, options) == found


def test_too_few_people_are_told():
    with pytest.raises(AttackFitError):
        own_auc(known(1.0, people=3), OPTIONS)


def test_the_best_view_on_the_attackers_own_people_is_taken():
    tries = [Evaluation("adaptive", view, view) for view in (View("noisy"), View("noisy", "bypassed"))]
    fitted = {"noisy": {"fused": Fitted(0.6)}, "noisy+bypassed": {"fused": Fitted(0.9), "only_here": Fitted(0.5)}}
    assert strongest(tries, fitted, "fused") == tries[1]
    assert strongest(tries, fitted, "only_here") == tries[1]
    assert strongest(tries, fitted, "nowhere") is None


def test_a_static_attacker_is_stopped_where_the_view_gives_no_signals():
    static = [Evaluation("static", View("undefended"), View("folded"))]
    assert strongest(static, {"undefended": {"fused": Fitted(0.9)}, "folded": {}}, "fused") is None


def test_one_view_needs_no_judgment():
    only = Evaluation("plain", View("undefended"), View("undefended"))
    assert strongest([only], {"undefended": {"fused": Fitted(None)}}, "fused") == only


def test_columns_of_layers_that_a_view_lacks_are_dropped():
    table = pd.DataFrame({"view": ["a", "a"], "there": [1.0, np.nan], "missing": [np.nan, np.nan]})
    assert list(readable_columns(table)) == ["view", "there"]


def test_an_attack_takes_signals_that_the_view_gives_and_access_to_the_view():
    signals = pd.DataFrame({"embedding_norm.norm": [1.0]})
    by_embeddings = AttackOptions(signals=["embedding_norm"])
    assert can_be_made(by_embeddings, View("folded"), signals)
    assert can_be_made(by_embeddings, View("noisy", "averaging"), signals)
    assert not can_be_made(by_embeddings, View("folded", "bn_insertion"), signals)
    assert not can_be_made(OPTIONS, View("folded"), signals)
    assert can_be_made(OPTIONS, View("folded", "bn_insertion"), signals.rename(columns=lambda _: "bn_distance.bn1"))
