"""Shadows of synthetic views: the noisy one says the opposite, of the target and of shadows that were defended so."""

import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership import fitting
from faceleak.membership.attackers import TARGET_VIEW, View
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.inputs import MissingSignalsError
from faceleak.membership.inputs import of_references as inputs_of
from faceleak.membership.options import AttackOptions
from faceleak.membership.scoring import score_images
from faceleak.membership.views import own_auc_of_shadows
from tests.membership.conftest import of_non_members, of_references

ATTACKS = {
    "plain": AttackOptions(signals=["bn_distance"]),
    "fused": AttackOptions(signals=["bn_distance", "bn_moments"], calibration="features"),
    "difference": AttackOptions(signals=["bn_distance"], calibration="difference"),
    "embedding": AttackOptions(signals=["embedding_norm"]),
}
NOISY = View("noisy")
SHIFTS = {TARGET_VIEW: 3.0, NOISY: -3.0, View("noisy", "bn_reestimation"): 2.0}
READ = ["reference", "image_id", *(f"bn_{column}" for column in ("distance.bn1", "distance.bn2"))]
READ += ["bn_moments.log_distance.bn1"]


@pytest.fixture(scope="module")
def reference_signals(splits, signals_of) -> pd.DataFrame:
    return of_references(splits, signals_of, shift=3.0)


@pytest.fixture(scope="module")
def shown(splits, signals_of) -> dict[str, pd.DataFrame]:
    """View → what the shadows show there."""
    return {view: of_references(splits, signals_of, shift)[READ] for view, shift in SHIFTS.items()}


@pytest.fixture
def fitted(shown, reference_signals, tmp_path) -> dict:
    return {
        view.name: fitting.fit_on_shadows(
            view, shown[view], reference_signals, ATTACKS, view.variant == "noisy", tmp_path
        )
        for view in SHIFTS
    }


def tables(splits, signals_of) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The target's signals in every view, and those of the references for the same images."""
    signals = [
        signals_of(splits, shift, seed).assign(**view._asdict()) for seed, (view, shift) in enumerate(SHIFTS.items())
    ]
    return pd.concat(signals, ignore_index=True), of_non_members(with_role(splits, *EVALUATED_ROLES), signals_of)


def test_attacks_whose_signals_the_view_lacks_are_left_out(fitted):
    assert list(fitted) == [view.name for view in SHIFTS]
    for attacks in fitted.values():
        assert set(attacks) == {(name, "shadow") for name in ATTACKS if name != "embedding"}


def test_a_refitted_attacker_sees_through_what_deceives_the_static_one(fitted, reference_signals, splits, signals_of):
    signals, calibration = tables(splits, signals_of)
    attacks = {name: options for name, options in ATTACKS.items() if name != "embedding"}
    known = reference_signals, calibration, splits, attacks, ["shadow"]
    models = fit_attacks(signals, *known, shadow_models=fitted)
    scores = score_images(signals, calibration, models, splits, ["static", "refitted", "adaptive"])
    for (variant, attacker, attack), rows in scores.groupby(["variant", "attacker", "attack"]):
        area = roc_auc_score(rows["is_member"], rows["score"])
        deceived = variant == "noisy" and attacker == "static"
        assert (area < 0.05) if deceived else (area > 0.9), (variant, attacker, attack)


def test_shadows_that_show_what_references_show_teach_the_same_to_the_bit(
    shown, reference_signals, splits, signals_of, tmp_path
):
    signals, calibration = tables(splits, signals_of)
    attacks = {name: options for name, options in ATTACKS.items() if name != "embedding"}
    same = {
        view.name: fitting.fit_on_shadows(view, reference_signals[READ], reference_signals, attacks, False, tmp_path)
        for view in SHIFTS
    }
    known = reference_signals, calibration, splits, attacks, ["shadow"]
    first = score_images(signals, calibration, fit_attacks(signals, *known), splits, ["plain"])
    models = fit_attacks(signals, *known, shadow_models=same)
    pd.testing.assert_frame_equal(score_images(signals, calibration, models, splits, ["plain"]), first)


def test_nothing_is_fitted_twice_and_another_signal_or_option_is(
    fitted, shown, reference_signals, tmp_path, monkeypatch
):
    def refuse(*_, **__):
        raise AssertionError("fitted again")

    monkeypatch.setattr(fitting, "fit_attack", refuse)
    again = fitting.fit_on_shadows(NOISY, shown[NOISY], reference_signals, ATTACKS, True, tmp_path)
    assert {name: attack.to_dict() for name, attack in again.items()} == {
        name: attack.to_dict() for name, attack in fitted["noisy"].items()
    }
    other = {"plain": AttackOptions(signals=["bn_distance"], regularization=0.5)}
    louder = shown[NOISY].assign(**{"bn_distance.bn1": shown[NOISY]["bn_distance.bn1"] * 2})
    for signals, attacks in ((shown[NOISY], other), (louder, {"plain": ATTACKS["plain"]})):
        with pytest.raises(AssertionError, match="fitted again"):
            fitting.fit_on_shadows(NOISY, signals, reference_signals, attacks, True, tmp_path)


def test_the_adaptive_attacker_chooses_a_view_by_shadows_held_out(fitted):
    for name in ("plain", "fused", "difference"):
        assert fitted["undefended"][name, "shadow"].own_auc is None  # one view only
        # turned round is as clear to whoever refits, and the clearer of the two views is the one that is noisy
        assert fitted["noisy"][name, "shadow"].own_auc > fitted["noisy+bn_reestimation"][name, "shadow"].own_auc > 0.9


def test_own_auc_of_shadows_is_that_of_the_shift_and_takes_two_pairs(many_splits, signals_of):
    one = AttackOptions(signals=["bn_moments"])  # one column
    whole = inputs_of(of_references(many_splits, signals_of, shift=1.0))
    assert own_auc_of_shadows(whole, one) == pytest.approx(0.76, abs=0.03)  # Φ(1/√2) = 0.760
    nothing = inputs_of(of_references(many_splits, signals_of, shift=0.0))
    assert own_auc_of_shadows(nothing, one) == pytest.approx(0.5, abs=0.04)
    assert own_auc_of_shadows(whole[:3], one) is not None
    assert own_auc_of_shadows(whole[:2], one) is None


def test_a_shadow_without_some_image_is_an_error(shown, reference_signals, tmp_path):
    with pytest.raises(MissingSignalsError, match="1 of"):
        fitting.fit_on_shadows(NOISY, shown[NOISY].iloc[1:], reference_signals, ATTACKS, False, tmp_path)


def test_no_code_runs_in_fitting_that_is_not_in_the_key(shown, reference_signals, tmp_path, not_in_keys):
    several = {
        "fused": ATTACKS["fused"],
        "online": AttackOptions(signals=["bn_distance"], calibration="bavaria"),
    }
    ran = not_in_keys(lambda: fitting.fit_on_shadows(NOISY, shown[NOISY], reference_signals, several, True, tmp_path))
    assert ran == set()
