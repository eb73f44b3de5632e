import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership.knowledge import IdentityOverlapError, evaluated_images
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.membership.repeats import draw_targets, fit_all, record_evidence, score_all, target_name
from faceleak.membership.scoring import fit_attacks, score_images
from faceleak.membership.stacking import parts
from faceleak.metrics.record_risk import calibration, risk_table
from tests.membership.conftest import REFERENCES, difficult_signals, manifest_of, of_references, of_strangers

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
NAMES = {f"{attack}_{threat_model}" for attack in OPTIONS.attacks for threat_model in OPTIONS.threat_models}


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
    calibration_signals = of_every_target(target_splits, lambda images, _: of_strangers(images, difficult_signals))
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
        mine = parts(signals, "target")[name].assign(view="undefended"), parts(calibration_signals, "target")[name]
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
        assert len({id(attacks[f"{attack}_shadow"]) for attacks in fitted.values()}) == 1
        assert len({id(attacks[f"{attack}_partial_knowledge"]) for attacks in fitted.values()}) == TARGETS


@pytest.mark.parametrize("threat_model", ["partial_knowledge", "shadow"])
def test_one_threat_model_alone(threat_model, fitted, tables, target_splits):
    options = OPTIONS.model_copy(update={"threat_models": [threat_model]})
    for target, attacks in fit_all(*tables, target_splits, options).items():
        assert set(attacks) == {name for name in NAMES if name.endswith(threat_model)}
        for name, attack in attacks.items():
            assert attack.to_dict() == fitted[target][name].to_dict()


@pytest.mark.parametrize("threat_model", ["partial_knowledge", "shadow"])
def test_the_false_positive_rates_of_images_are_uniform_and_low_for_members(
    threat_model, fitted, tables, target_splits
):
    signals, _, calibration_signals = tables
    table = record_evidence(signals, calibration_signals, fitted, target_splits, f"bavaria_{threat_model}")
    assert table.columns.tolist() == ["target", "image_id", "identity", "is_member", "z", "p_value"]
    for name, splits in parts(target_splits, "target").items():
        # other images of members' people are left out: they are no members, but the target saw the person
        judged = with_role(evaluated_images(splits), "member", "unseen_identity")
        rows = table[table["target"] == name]
        assert rows["image_id"].tolist() == judged["image_id"].tolist()
        assert rows["is_member"].tolist() == judged["is_member"].tolist()
    strangers = table[~table["is_member"]]
    # one target: the references are the same in all of them, so that targets' p-values of an image go together
    first = strangers.loc[strangers["target"] == "target_0", "p_value"]
    assert stats.kstest(first, "uniform").pvalue > 0.01
    assert not calibration(table)["exceeded"].any()
    assert roc_auc_score(table["is_member"], -table["p_value"]) > 0.95
    assert stats.spearmanr(table["z"], -table["p_value"]).statistic > 0.99
    assert (risk_table(table, "identity")["p_value"] < 0.05).mean() > 0.9


def test_a_record_so_clear_that_its_rate_underflows_still_has_one(fitted, tables, target_splits):
    signals, _, calibration_signals = tables
    numbers = [name for name in signals if name.startswith("bn_")]
    sure = signals.assign(**{name: signals[name] - 1e5 for name in numbers})
    table = record_evidence(sure, calibration_signals, fitted, target_splits, "bavaria_shadow")
    assert table["p_value"].min() > 0
    assert np.isfinite(table["z"]).all()
    assert len(risk_table(table)) > 0


def test_a_target_of_the_attackers_own_people_is_refused(manifest, splits):
    members = splits.loc[splits["role"] == "member", "identity"]
    mixed = splits.copy()
    mixed.loc[mixed["role"] == "auxiliary", "identity"] = members.iloc[0]
    with pytest.raises(IdentityOverlapError, match="known to the attacker"):
        draw_targets(manifest, mixed, SPLITS, TARGETS)
