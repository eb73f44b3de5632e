import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership.attackers import TARGET_VIEW, View, views_of
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.inputs import IdentityOverlapError, MissingSignalsError, evaluated_images, known_images
from faceleak.membership.models.base import AttackColumnsError
from faceleak.membership.options import AttackOptions, BlindOptions, MembershipOptions, ModelKey
from faceleak.membership.scoring import (
    SCORE_COLUMNS,
    score_blind,
    score_images,
)
from faceleak.membership.view_signals import other_images
from faceleak.work.compute import ComputeOptions
from tests.membership.conftest import of_non_members, of_references

ATTACKS = {
    "bn_distance": AttackOptions(signals=["bn_distance"]),
    "both": AttackOptions(signals=["bn_moments", "bn_distance"], regularization=0.1),
    "calibrated": AttackOptions(signals=["bn_moments", "bn_distance"], calibration="difference"),
}
OPTIONS = MembershipOptions(
    threat_models=["partial_knowledge", "shadow"],
    attacks=ATTACKS,
    references={"count": 4, "training": {"architecture": "iresnet_tiny", "epochs": 1}},
)
VIEWS = [View("undefended"), View("noisy"), View("undefended", "bn_reestimation"), View("noisy", "bn_reestimation")]
BOTH = ("partial_knowledge", "shadow")


@pytest.fixture(scope="module")
def signals(splits, signals_of) -> pd.DataFrame:
    """Signals off four views: the noisy one says the opposite, bypass brings the truth back."""
    shifts = [3.0, -3.0, 3.0, 3.0]
    tables = [
        signals_of(splits, shift, seed).assign(**view._asdict())
        for seed, (view, shift) in enumerate(zip(VIEWS, shifts, strict=True))
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def reference_signals(splits, signals_of) -> pd.DataFrame:
    """Signals off four references, for their own members and non-members."""
    return of_references(splits, signals_of, shift=3.0)


@pytest.fixture(scope="module")
def calibration_signals(splits, signals_of) -> pd.DataFrame:
    """Signals off the same references, for the target's people."""
    return of_non_members(with_role(splits, *EVALUATED_ROLES), signals_of)


@pytest.fixture(scope="module")
def models(signals, reference_signals, calibration_signals, splits):
    return fit_attacks(signals, reference_signals, calibration_signals, splits, ATTACKS, BOTH)


@pytest.mark.slow
def test_worker_processes_fit_the_same(signals, reference_signals, calibration_signals, splits, models):
    two = ComputeOptions(workers=2)
    fitted = fit_attacks(signals, reference_signals, calibration_signals, splits, ATTACKS, BOTH, compute=two)
    tables = signals, calibration_signals
    expected, found = (score_images(*tables, of_views, splits, ["adaptive"]) for of_views in (models, fitted))
    pd.testing.assert_frame_equal(found, expected)


def test_every_attack_is_fitted_under_every_threat_model_for_every_view(models):
    names = {(attack, threat_model) for attack in ATTACKS for threat_model in BOTH}
    assert {view: set(of_view) for view, of_view in models.items()} == dict.fromkeys(
        [view.name for view in VIEWS], names
    )
    for of_view in models.values():
        assert of_view["bn_distance", "shadow"].model.columns == ("bn_distance.bn1", "bn_distance.bn2")
        columns = ("bn_moments.log_distance.bn1", "bn_distance.bn1", "bn_distance.bn2")
        assert of_view["both", "shadow"].model.columns == of_view["calibrated", "shadow"].model.columns == columns


def disturbed(table: pd.DataFrame, rows) -> pd.DataFrame:
    """Other numbers in these rows."""
    columns = [column for column in table.columns if column.startswith("bn_")]
    table = table.copy()
    table.loc[rows, columns] = np.random.default_rng(9).normal(size=(int(rows.sum()), len(columns))).astype(np.float32)
    return table


def test_an_attack_is_fitted_on_what_its_threat_model_allows_and_nothing_else(
    models, signals, reference_signals, calibration_signals, splits
):
    signals = views_of(signals)[View("noisy")]
    evaluated = evaluated_images(splits)["image_id"]
    known = known_images(splits)["image_id"]
    assert (signals["image_id"].isin(evaluated) ^ signals["image_id"].isin(known)).all()

    def of(table: pd.DataFrame, images: pd.Series) -> pd.DataFrame:
        return disturbed(table, table["image_id"].isin(images))

    def unchanged(*tables: pd.DataFrame) -> set[ModelKey]:
        fitted = fit_attacks(*tables, splits, ATTACKS, BOTH)["noisy"]
        return {name for name, attack in fitted.items() if plain(attack) == plain(models["noisy"][name])}

    def plain(attack) -> dict:
        return {**attack.to_dict(), "own_auc": None}  # asked for only where there are several views

    shadows = {name for name in models["noisy"] if name.threat_model == "shadow"}
    partial = set(models["noisy"]) - shadows
    # what is evaluated was never seen
    unseen = of(signals, evaluated), reference_signals, of(calibration_signals, evaluated)
    assert unchanged(*unseen) == shadows | partial
    assert unchanged(of(signals, known), reference_signals, calibration_signals) == shadows
    others = of(reference_signals, reference_signals["image_id"])
    assert unchanged(signals, others, calibration_signals) == partial
    calibrated = {("calibrated", "partial_knowledge")}
    assert unchanged(signals, reference_signals, of(calibration_signals, known)) == (shadows | partial) - calibrated


def test_partial_knowledge_needs_no_references(signals, splits):
    of_view = views_of(signals)[View("noisy")]
    plain = {name: attack for name, attack in ATTACKS.items() if attack.calibration is None}
    nothing = pd.DataFrame(columns=["reference", "image_id"])
    models = fit_attacks(of_view, nothing, nothing, splits, plain, ["partial_knowledge"])
    assert set(models["noisy"]) == {("bn_distance", "partial_knowledge"), ("both", "partial_knowledge")}
    scores = score_images(of_view, nothing, {"noisy": models["noisy"]}, splits, ["plain"])
    assert set(scores["attack"]) == set(plain)


def test_scores_are_one_row_an_image_attack_and_evaluation(models, signals, calibration_signals, splits):
    scores = score_images(signals, calibration_signals, models, splits, ["static", "adaptive"])
    evaluated = evaluated_images(splits).set_index("image_id")
    assert scores.columns.tolist() == SCORE_COLUMNS
    # no attack here compares images, so that other images show what they always show
    others = scores["image_id"].isin(other_images(splits)["image_id"])
    assert (scores["other_images_score"] == scores["score"].where(others)).equals(others)
    assert (scores["other_images_says_member"] == (scores["says_member"] & others)).all()
    assert len(scores) == len(evaluated) * len(ATTACKS) * 2 * 2 * 2  # attacks and threat models, variants, attackers
    keys = ["variant", "attacker", "attack", "threat_model"]
    assert not scores.duplicated([*keys, "image_id"]).any()
    for _, rows in scores.groupby(keys):
        of_image = rows.set_index("image_id").loc[evaluated.index]
        assert (of_image["identity"] == evaluated["identity"]).all()
        assert (of_image["population"] == evaluated["role"]).all()
        assert (of_image["is_member"] == (evaluated["role"] == "member")).all()
    assert set(scores["variant"]) == {"undefended", "noisy"}


@pytest.mark.parametrize("attackers", [["plain"], ["static", "refitted", "adaptive"]])
def test_nobody_who_is_scored_is_known_to_an_attacker(attackers, models, signals, calibration_signals, splits):
    scored = set(score_images(signals, calibration_signals, models, splits, attackers)["identity"])
    attackers_people = splits.loc[splits["known"] | ~splits["role"].isin(EVALUATED_ROLES), "identity"]
    assert not scored & set(attackers_people)
    assert len(scored) == 10 + 10


def test_a_higher_score_says_member_and_each_attacker_looks_where_it_should(
    models, signals, calibration_signals, splits
):
    scores = score_images(signals, calibration_signals, models, splits, ["plain", "static", "refitted", "adaptive"])
    for (variant, attacker, threat_model, attack), rows in scores.groupby(
        ["variant", "attacker", "threat_model", "attack"]
    ):
        area = roc_auc_score(rows["is_member"], rows["score"])
        # a model that was fitted off the noisy view is deceived by it: static ones, and shadows, which never saw it
        deceived = variant == "noisy" and attacker != "adaptive" and (attacker == "static" or threat_model == "shadow")
        assert (area < 0.05) if deceived else (area > 0.95), (variant, attacker, threat_model, attack)


def test_the_verdict_is_that_of_the_attackers_own_threshold(models, signals, calibration_signals, splits):
    scores = score_images(signals, calibration_signals, models, splits, ["plain"])
    for (variant, threat_model, attack), rows in scores.groupby(["variant", "threat_model", "attack"]):
        threshold = models[variant][attack, threat_model].threshold
        assert (rows["says_member"] == (rows["score"] >= threshold)).all()
    assert set(scores["says_member"]) == {True, False}


def test_the_order_of_the_signals_changes_nothing(models, signals, calibration_signals, splits):
    shuffled, shuffled_too = (table.sample(frac=1, random_state=0) for table in (signals, calibration_signals))
    again = score_images(shuffled, shuffled_too, models, splits, ["plain"])
    key = ["variant", "attack", "threat_model", "image_id"]
    expected = score_images(signals, calibration_signals, models, splits, ["plain"]).sort_values(key, ignore_index=True)
    pd.testing.assert_frame_equal(again.sort_values(key, ignore_index=True), expected)


def test_the_tables_stay_as_they_came(models, signals, reference_signals, calibration_signals, splits):
    tables = (views_of(signals)[TARGET_VIEW], reference_signals, calibration_signals, splits)
    before = [table.copy() for table in tables]
    fit_attacks(*tables, ATTACKS, BOTH)
    score_images(tables[0], calibration_signals, models, splits, ["plain"])
    for table, copy in zip(tables, before, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_a_person_on_both_sides_is_an_error(models, signals, calibration_signals, splits):
    out = splits.index[(splits["role"] == "member") & ~splits["known"]][0]
    mixed = splits.assign(known=splits["known"] | (splits.index == out))
    with pytest.raises(IdentityOverlapError, match="1 of 20 evaluated people"):
        score_images(signals, calibration_signals, models, mixed, ["plain"])


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("by", ["target", "reference"])
def test_an_image_without_signals_is_an_error_and_not_left_out(
    by, known, models, signals, reference_signals, calibration_signals, splits
):
    some = with_role(splits, *EVALUATED_ROLES)
    image = some.loc[some["known"] == known, "image_id"].iloc[0]
    if by == "target":
        signals = signals[signals["image_id"] != image]
    else:
        of_one = calibration_signals["reference"] == "reference_2"
        calibration_signals = calibration_signals[~(of_one & (calibration_signals["image_id"] == image))]

    def attack() -> None:
        if known:
            fit_attacks(signals, reference_signals, calibration_signals, splits, ATTACKS, BOTH)
        else:
            score_images(signals, calibration_signals, models, splits, ["plain"])

    with pytest.raises(MissingSignalsError, match=r"1 of 120 images have no signals.*Run the membership pipeline"):
        attack()


def test_references_with_other_layers_than_the_target_are_an_error(
    signals, reference_signals, calibration_signals, splits
):
    other = reference_signals.rename(columns={"bn_distance.bn2": "bn_distance.layer9.bn1"})
    of_view = views_of(signals)[TARGET_VIEW]
    models = fit_attacks(of_view, other, calibration_signals, splits, ATTACKS, ["shadow"])
    with pytest.raises(AttackColumnsError, match=r"bn_distance\.layer9\.bn1"):
        score_images(of_view, calibration_signals, models, splits, ["plain"])


def test_the_blind_baseline_is_fitted_and_scored_like_an_attack(splits, signals_of):
    blind_signals = signals_of(splits).add_prefix("pixel_").rename(columns={"pixel_image_id": "image_id"})
    scores = score_blind(blind_signals, splits, OPTIONS)
    assert scores.columns.tolist() == SCORE_COLUMNS
    assert scores["image_id"].tolist() == evaluated_images(splits)["image_id"].tolist()
    assert set(scores["attack"]) == {"blind"}
    assert set(scores["variant"]) == {""}
    assert roc_auc_score(scores["is_member"], scores["score"]) > 0.95
    others = scores["image_id"].isin(other_images(splits)["image_id"])
    assert scores.loc[others, "other_images_score"].equals(scores.loc[others, "score"].rename("other_images_score"))
    assert scores.loc[~others, "other_images_score"].isna().all()
    weak = OPTIONS.model_copy(update={"blind": BlindOptions(regularization=1e-6)})
    assert score_blind(blind_signals, splits, weak)["score"].abs().max() < 0.01 < scores["score"].abs().max()
    with pytest.raises(MissingSignalsError, match="1 of 120"):
        score_blind(blind_signals.iloc[1:], splits, OPTIONS)


def test_the_blind_baseline_looks_at_other_images_alone_too(splits, signals_of):
    first = signals_of(splits).set_index("image_id")[["bn_distance.bn1"]].add_prefix("r0.")
    options = OPTIONS.model_copy(update={"blind": BlindOptions(reference_signals=["reference_similarity"])})
    once = score_blind(first.reset_index(), splits, options)
    assert once["other_images_score"].isna().all()
    others = other_images(splits)["image_id"]
    second = (first + 100.0).loc[others].add_prefix("other_images.")
    scores = score_blind(first.join(second).reset_index(), splits, options)
    pd.testing.assert_series_equal(scores["score"], once["score"])
    shown = scores[scores["other_images_score"].notna()]
    assert set(shown["image_id"]) == set(others)
    weight = np.diff(scores["score"].iloc[:2])[0] / np.diff(first.loc[scores["image_id"].iloc[:2]].to_numpy()[:, 0])[0]
    np.testing.assert_allclose(shown["other_images_score"] - shown["score"], 100 * weight, rtol=1e-4)
