import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.inputs import IdentityOverlapError, evaluated_images
from faceleak.membership.options import AttackOptions, MembershipOptions, ModelKey
from faceleak.membership.repeats import (
    draw_targets,
    fit_all,
    record_evidence,
    score_all,
    target_name,
    training_images,
)
from faceleak.membership.scoring import score_images
from faceleak.membership.stacking import parts
from faceleak.metrics.record_risk import calibration, risk_table
from tests.membership.conftest import REFERENCES, difficult_signals, manifest_of, of_non_members, of_references

TARGETS = 3
SPLITS = SplitOptions(
    roles={
        "member": RoleOptions(people=60, minimum_images=4),
        "unseen_identity": RoleOptions(people=50),
        "auxiliary": RoleOptions(people=40),
    },
    known_share=0.4,
)
OPTIONS = MembershipOptions(
    threat_models=["partial_knowledge", "shadow"],
    attacks={
        "bn_distance": AttackOptions(signals=["bn_distance"]),
        "bavaria": AttackOptions(signals=["bn_moments", "bn_distance"], calibration="bavaria"),
    },
    references=REFERENCES,
)
NAMES = {(attack, threat_model) for attack in OPTIONS.attacks for threat_model in OPTIONS.threat_models}


@pytest.fixture(scope="module")
def manifest() -> pd.DataFrame:
    return manifest_of(160, 6)


@pytest.fixture(scope="module")
def splits(manifest) -> pd.DataFrame:
    return split(manifest, SPLITS)


@pytest.fixture(scope="module")
def target_splits(manifest, splits) -> pd.DataFrame:
    return draw_targets(manifest, splits, SPLITS, TARGETS)


def of_every_target(target_splits, read) -> pd.DataFrame:
    """What `read(images, number)` gives, for every target."""
    tables = [
        read(images, i).assign(target=name) for i, (name, images) in enumerate(parts(target_splits, "target").items())
    ]
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def tables(splits, target_splits) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Signals, reference signals and calibration signals."""
    signals = of_every_target(target_splits, lambda images, i: difficult_signals(images, seed=i))
    calibration_signals = of_every_target(target_splits, lambda images, _: of_non_members(images, difficult_signals))
    return signals, of_references(splits, difficult_signals), calibration_signals


@pytest.fixture(scope="module")
def fitted(tables, target_splits):
    return fit_all(*tables, target_splits, OPTIONS)


def people(images: pd.DataFrame, *roles: str) -> set[str]:
    return set(with_role(images, *roles)["identity"])


def test_the_first_target_is_the_audited_one(splits, target_splits):
    name, first = next(iter(parts(target_splits, "target").items()))
    assert name == target_name(0) == "target_0"
    pd.testing.assert_frame_equal(first, with_role(splits, *EVALUATED_ROLES).reset_index(drop=True))


def test_every_target_has_the_same_people_in_other_roles(splits, target_splits):
    audited = people(splits, *EVALUATED_ROLES)
    drawn = parts(target_splits, "target")
    assert list(drawn) == [target_name(number) for number in range(TARGETS)]
    for images in drawn.values():
        members, unseen = people(images, "member"), people(images, "unseen_identity")
        assert (len(members), len(unseen)) == (60, 50)
        assert not members & unseen
        assert members | unseen == audited
        assert people(images, "same_identity") == members
        assert not images["image_id"].duplicated().any()
        assert (images["role"] == "member").sum() == 60 * 3
        known = images[images["known"]]
        assert (len(people(known, "member")), len(people(known, "unseen_identity"))) == (24, 20)
        assert not set(known["identity"]) & set(evaluated_images(images)["identity"])


def test_members_trained_images_and_knowledge_differ_between_targets(target_splits):
    drawn = [images for _, images in parts(target_splits, "target").items()]
    for first in range(TARGETS):
        for second in range(first):
            one, other = drawn[first].set_index("image_id"), drawn[second].set_index("image_id")
            shared = people(drawn[first], "member") & people(drawn[second], "member")
            assert 20 <= len(shared) <= 45  # 60 · 60 / 110 = 33 on average
            of_shared = one.index[one["identity"].isin(shared)]
            alike = (one.loc[of_shared, "role"] == other.loc[of_shared, "role"]).mean()
            assert 0.3 < alike < 0.7
            assert (one["known"] != other.loc[one.index, "known"]).any()


def test_more_targets_change_none_and_another_seed_all_but_the_first(manifest, splits, target_splits):
    more = draw_targets(manifest, splits, SPLITS, TARGETS + 1)
    pd.testing.assert_frame_equal(more[more["target"] != target_name(TARGETS)], target_splits)
    other = parts(draw_targets(manifest, splits, SPLITS.model_copy(update={"seed": 9}), TARGETS), "target")
    for number, (name, images) in enumerate(parts(target_splits, "target").items()):
        assert images.equals(other[name]) == (number == 0)


def test_one_target_needs_no_drawing(manifest, splits):
    assert draw_targets(manifest, splits, SPLITS, 1)["target"].unique().tolist() == ["target_0"]


def test_every_target_is_attacked_as_if_it_were_alone(fitted, tables, target_splits):
    signals, reference_signals, calibration_signals = tables
    assert {target: set(attacks) for target, attacks in fitted.items()} == {
        target_name(number): NAMES for number in range(TARGETS)
    }
    scores = score_all(signals, calibration_signals, fitted, target_splits)
    for name, splits in parts(target_splits, "target").items():
        mine = (
            parts(signals, "target")[name].assign(variant="undefended", bypass=""),
            parts(calibration_signals, "target")[name],
        )
        alone = fit_attacks(mine[0], reference_signals, mine[1], splits, OPTIONS.attacks, OPTIONS.threat_models)
        assert {key: attack.to_dict() for key, attack in alone["undefended"].items()} == {
            key: attack.to_dict() for key, attack in fitted[name].items()
        }
        expected = score_images(*mine, alone, splits, ["plain"])
        key = ["threat_model", "attack", "image_id"]
        found = scores[scores["target"] == name].drop(columns="target")
        pd.testing.assert_frame_equal(
            found.sort_values(key, ignore_index=True), expected.sort_values(key, ignore_index=True)
        )


def test_shadows_are_fitted_once(fitted):
    for attack in ("bn_distance", "bavaria"):
        assert len({id(attacks[attack, "shadow"]) for attacks in fitted.values()}) == 1
        assert len({id(attacks[attack, "partial_knowledge"]) for attacks in fitted.values()}) == TARGETS


@pytest.mark.parametrize("threat_model", ["partial_knowledge", "shadow"])
def test_one_threat_model_alone(threat_model, fitted, tables, target_splits):
    options = OPTIONS.model_copy(update={"threat_models": [threat_model]})
    for target, attacks in fit_all(*tables, target_splits, options).items():
        assert set(attacks) == {name for name in NAMES if name[1] == threat_model}
        for name, attack in attacks.items():
            assert attack.to_dict() == fitted[target][name].to_dict()


@pytest.mark.parametrize("threat_model", ["partial_knowledge", "shadow"])
def test_the_false_positive_rates_of_images_are_uniform_and_low_for_members(
    threat_model, fitted, tables, target_splits
):
    signals, _, calibration_signals = tables
    table = record_evidence(signals, calibration_signals, fitted, target_splits, ModelKey("bavaria", threat_model))
    assert table.columns.tolist() == ["target", "image_id", "identity", "is_member", "z", "p_value"]
    for name, splits in parts(target_splits, "target").items():
        # other images of members' people are left out: they are no members, but the target saw the person
        judged = with_role(evaluated_images(splits), "member", "unseen_identity")
        rows = table[table["target"] == name]
        assert rows["image_id"].tolist() == judged["image_id"].tolist()
        assert rows["is_member"].tolist() == judged["is_member"].tolist()
    non_members = table[~table["is_member"]]
    # one target: the references are the same in all of them, so that targets' p-values of an image go together
    first = non_members[non_members["target"] == "target_0"]
    assert stats.kstest(first["p_value"], "uniform").pvalue > 0.01
    # the interval takes the distribution as known, and its prior comes from 44 people
    assert not calibration(first, confidence=0.999)["exceeded"].any()
    assert roc_auc_score(table["is_member"], -table["p_value"]) > 0.95
    assert stats.spearmanr(table["z"], -table["p_value"]).statistic > 0.99
    assert (risk_table(table, "identity")["p_value"] < 0.05).mean() > 0.9


def test_a_record_so_clear_that_its_rate_underflows_still_has_one(fitted, tables, target_splits):
    signals, _, calibration_signals = tables
    numbers = [name for name in signals if name.startswith("bn_")]
    sure = signals.assign(**{name: signals[name] - 1e5 for name in numbers})
    table = record_evidence(sure, calibration_signals, fitted, target_splits, ModelKey("bavaria", "shadow"))
    assert table["p_value"].min() > 0
    assert np.isfinite(table["z"]).all()
    assert len(risk_table(table)) > 0


ONLINE = OPTIONS.model_copy(
    update={
        "attacks": {
            "bavaria": OPTIONS.attacks["bavaria"],
            "bavaria_online": AttackOptions(signals=["bn_distance"], calibration="bavaria", online=True),
            "difference_online": AttackOptions(signals=["bn_distance"], calibration="difference", online=True),
        }
    }
)
ONLINE_NAMES = {
    (attack, threat_model)
    for attack in ("bavaria_online", "difference_online")
    for threat_model in ONLINE.threat_models
}


def beside_other_targets(
    calibration_signals: pd.DataFrame, target_splits: pd.DataFrame, shift: float = 1.0
) -> pd.DataFrame:
    """Calibration signals, and what the other targets show of each target's images, columns of `bn_distance` alone."""
    splits, tables = parts(target_splits, "target"), [calibration_signals]
    for i, (other, trained) in enumerate(splits.items()):
        for name, images in splits.items():
            if name != other:
                role = images["image_id"].map(trained.set_index("image_id")["role"])
                read = difficult_signals(images.assign(role=role), shift, seed=i).filter(regex="image_id|bn_distance")
                tables.append(read.assign(target=name, reference=other))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def online(tables, target_splits):
    """Tables with online references, and the attacks fitted on them."""
    signals, reference_signals, calibration_signals = tables
    beside = beside_other_targets(calibration_signals, target_splits)
    return beside, fit_all(signals, reference_signals, beside, target_splits, ONLINE)


def test_online_references_are_the_other_targets_and_change_nothing_for_other_attacks(
    online, fitted, tables, target_splits
):
    signals, _, calibration_signals = tables
    beside, of_both = online
    for target, attacks in of_both.items():
        assert set(attacks) == ONLINE_NAMES | {("bavaria", "partial_knowledge"), ("bavaria", "shadow")}
        for name in set(attacks) - ONLINE_NAMES:
            assert attacks[name].to_dict() == fitted[target][name].to_dict()
    scores = score_all(signals, beside, of_both, target_splits)
    expected = score_all(signals, calibration_signals, fitted, target_splits)
    key = ["target", "attack", "threat_model", "image_id"]
    of_both_runs = [
        table[table["attack"] == "bavaria"].sort_values(key, ignore_index=True) for table in (scores, expected)
    ]
    pd.testing.assert_frame_equal(*of_both_runs)
    judged = record_evidence(signals, beside, of_both, target_splits, ModelKey("bavaria", "shadow"))
    pd.testing.assert_frame_equal(
        judged, record_evidence(signals, calibration_signals, fitted, target_splits, ModelKey("bavaria", "shadow"))
    )
    for (attack, _), rows in scores.groupby(["attack", "threat_model"]):
        assert len(rows) == len(expected) / 4
        assert roc_auc_score(rows["is_member"], rows["score"]) > 0.85, attack


def test_an_online_score_by_hand(online, tables, target_splits):
    signals, _, _ = tables
    beside, fitted = online
    attack = fitted["target_1"]["difference_online", "partial_knowledge"]
    scores = score_all(signals, beside, fitted, target_splits)
    rows = scores[(scores["target"] == "target_1") & (scores["attack"] == "difference_online")]
    rows = rows[rows["threat_model"] == "partial_knowledge"].set_index("image_id")["score"]
    drawn = parts(target_splits, "target")
    trained = {name: set(with_role(images, "member")["image_id"]) for name, images in drawn.items()}
    own = parts(signals, "target")["target_1"].set_index("image_id")
    raw = pd.Series(attack.model.score(own), own.index)
    others = {
        name: pd.Series(attack.model.score(table), table["image_id"])
        for name, table in parts(parts(beside, "target")["target_1"], "reference").items()
        if name in ("target_0", "target_2")
    }
    assert list(others) == ["target_0", "target_2"]
    gap = attack.calibration["gap"]
    assert gap > 0.1
    for image, score in rows.items():
        inside = [values[image] for name, values in others.items() if image in trained[name]]
        out = [values[image] for name, values in others.items() if image not in trained[name]]
        in_mean = np.mean(inside) if inside else np.mean(out) + gap
        out_mean = np.mean(out) if out else np.mean(inside) - gap
        assert score == pytest.approx(raw[image] - (in_mean + out_mean) / 2)


@pytest.mark.slow
def test_what_other_targets_were_trained_on_tells_nothing_of_a_target(manifest, splits):
    """Of 400 images of each kind a target, the standard error of an AUC over 20 seeds and 5 targets is 0.003 or so."""
    areas = []
    for seed in range(20):
        options = SPLITS.model_copy(update={"seed": seed})
        drawn = parts(draw_targets(manifest, split(manifest, options), options, 5), "target")
        trained = {name: set(with_role(images, "member")["image_id"]) for name, images in drawn.items()}
        for name, images in drawn.items():
            evaluated = evaluated_images(images)
            known = sum(evaluated["image_id"].isin(trained[other]).astype(int) for other in drawn if other != name)
            areas.append(roc_auc_score(evaluated["is_member"], known))
    error = np.std(areas) / np.sqrt(len(areas))
    assert error < 0.01
    assert np.mean(areas) == pytest.approx(0.5, abs=3 * error)


def test_where_training_leaves_no_trace_online_references_that_were_trained_find_nothing(tables, target_splits, splits):
    """Whether a reference was trained on an image is all that there is to see, and it shows clearly."""
    _, reference_signals, calibration_signals = tables
    signals = of_every_target(target_splits, lambda images, i: difficult_signals(images, 0.0, seed=50 + i))
    beside = beside_other_targets(calibration_signals, target_splits, shift=3.0)
    fitted = fit_all(signals, reference_signals, beside, target_splits, ONLINE)
    scores = score_all(signals, beside, fitted, target_splits)
    # 108 member images of 36 people, each judged for 3 targets: a standard error below 0.03
    for (attack, _), rows in scores[scores["attack"] != "bavaria"].groupby(["attack", "threat_model"]):
        area = np.mean([roc_auc_score(r["is_member"], r["score"]) for _, r in rows.groupby("target")])
        assert area == pytest.approx(0.5, abs=0.09), attack


def test_training_images_are_those_of_the_members(target_splits):
    table = training_images(target_splits)
    assert table.columns.tolist() == ["reference", "image_id"]
    assert table["reference"].value_counts().to_dict() == {target_name(i): 180 for i in range(TARGETS)}


def test_a_target_of_the_attackers_own_people_is_refused(manifest, splits):
    members = splits.loc[splits["role"] == "member", "identity"]
    mixed = splits.copy()
    mixed.loc[mixed["role"] == "auxiliary", "identity"] = members.iloc[0]
    with pytest.raises(IdentityOverlapError, match="known to the attacker"):
        draw_targets(manifest, mixed, SPLITS, TARGETS)
