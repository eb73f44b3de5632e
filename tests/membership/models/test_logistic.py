import json

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from faceleak.membership.models.base import FOLDS, AttackColumnsError, AttackFitError, _folds
from faceleak.membership.models.logistic import LogisticModel, fit

COLUMNS = [f"signal.{i}" for i in range(6)]


def table_of(people: int = 40, images: int = 6, shift: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Half of the people are members; each number of theirs is `shift` lower, on scales far apart."""
    random = np.random.default_rng(seed)
    identity = np.repeat(np.arange(people), images)
    is_member = identity % 2 == 0
    values = random.normal(size=(people * images, len(COLUMNS))) - shift * is_member[:, None]
    table = pd.DataFrame(values * 10.0 ** np.arange(-3, 3) + 5, columns=COLUMNS)
    return table.assign(identity=[f"p{person}" for person in identity], is_member=is_member)


def plain_attack(table: pd.DataFrame, regularization: float):
    """The same attack in scikit-learn's own terms."""
    model = make_pipeline(
        StandardScaler(), LogisticRegression(C=regularization, class_weight="balanced", max_iter=5000)
    )
    return model.fit(table[COLUMNS].to_numpy(), table["is_member"])


@pytest.mark.parametrize("regularization", [0.01, 1.0])
def test_the_score_is_the_decision_function_of_scikit_learn(regularization):
    table = table_of()
    attack, fresh = fit(table, COLUMNS, regularization), table_of(seed=1)
    expected = plain_attack(table, regularization).decision_function(fresh[COLUMNS].to_numpy())
    np.testing.assert_allclose(attack.score(fresh), expected, rtol=1e-9, atol=1e-9)


def test_without_a_threshold_the_score_is_the_same_to_the_bit():
    table, fresh = table_of(), table_of(seed=1)
    plain = fit(table, COLUMNS, 1.0, with_threshold=False)
    assert np.isnan(plain.threshold)
    np.testing.assert_array_equal(plain.score(fresh), fit(table, COLUMNS, 1.0).score(fresh))


def test_a_score_by_hand():
    attack = LogisticModel(("a", "b"), mean=(1.0, 2.0), scale=(2.0, 0.5), weights=(3.0, -1.0), bias=0.5, threshold=0.0)
    table = pd.DataFrame({"b": [2.0, 3.0], "other": [9, 9], "a": [1.0, 5.0]})
    assert attack.score(table).tolist() == [0.5, 3 * 2 - 2 + 0.5]


def test_the_logit_for_gradients_is_the_score_and_its_slope_the_weights():
    attack, fresh = fit(table_of(), COLUMNS, 1.0), table_of(seed=1).astype(dict.fromkeys(COLUMNS, np.float32))
    rows = torch.tensor(fresh[COLUMNS].to_numpy(), requires_grad=True)
    logit = attack.logit(rows)
    np.testing.assert_allclose(logit.detach().numpy(), attack.score(fresh), rtol=1e-5, atol=1e-5)
    (gradient,) = torch.autograd.grad(logit.sum(), rows)
    slope = np.array(attack.weights) / np.array(attack.scale)
    np.testing.assert_allclose(gradient.numpy(), np.tile(slope, (len(fresh), 1)), rtol=1e-5)


def test_a_higher_score_says_member():
    attack, fresh = fit(table_of(), COLUMNS, 1.0), table_of(seed=1)
    assert roc_auc_score(fresh["is_member"], attack.score(fresh)) > 0.95
    says_member = attack.score(fresh) >= attack.threshold
    assert balanced_accuracy_score(fresh["is_member"], says_member) > 0.85


def test_the_threshold_is_the_best_one_on_people_that_the_fit_had_not_seen():
    table = table_of(shift=0.3)
    is_member, people = table["is_member"].to_numpy(), table["identity"].to_numpy()
    held_out = np.full(len(table), np.nan)
    for fitted, left_out in StratifiedGroupKFold(FOLDS).split(table, is_member, people):
        assert not set(people[fitted]) & set(people[left_out])
        model = plain_attack(table.iloc[fitted], 1.0)
        held_out[left_out] = model.decision_function(table.iloc[left_out][COLUMNS].to_numpy())
    accuracies = [balanced_accuracy_score(is_member, held_out >= score) for score in held_out]
    threshold = fit(table, COLUMNS, 1.0).threshold
    assert np.isclose(held_out, threshold).any()
    assert balanced_accuracy_score(is_member, held_out >= threshold - 1e-9) == pytest.approx(max(accuracies))


def test_a_threshold_is_not_fooled_by_features_that_only_name_the_person():
    # one column a person: in the sample everybody is told, and nobody new can be
    table = table_of(people=12, images=8, shift=0.0)
    names = [f"signal.is_{person}" for person in table["identity"].unique()]
    for name in names:
        table[name] = (table["identity"] == name.removeprefix("signal.is_")).astype(float)
    attack = fit(table, names, 1.0)
    scores = attack.score(table)
    assert scores[table["is_member"]].min() > 3
    assert scores[~table["is_member"]].max() < -3
    assert abs(attack.threshold) < 1  # the best one on the sample itself would be the lowest score of a member


@pytest.mark.parametrize("seed", range(4))
def test_labels_that_mean_nothing_teach_nothing(seed):
    random = np.random.default_rng(seed)
    table = table_of(seed=seed, shift=2.0)
    people = table["identity"].unique()
    members = set(random.permutation(people)[: len(people) // 2])
    attack = fit(table.assign(is_member=table["identity"].isin(members)), COLUMNS, 1.0)
    fresh = table_of(people=200, seed=100 + seed, shift=0.0)
    # 1,200 independent images: the standard error of an AUC is 0.017
    assert roc_auc_score(fresh["is_member"], attack.score(fresh)) == pytest.approx(0.5, abs=0.06)


def test_few_members_weigh_as_much_as_many_non_members():
    table = table_of(people=60, shift=0.0)
    few = table[~table["is_member"] | (np.arange(len(table)) % 24 == 0)]
    scores = fit(few, COLUMNS, 0.01).score(table)
    assert abs(np.mean(scores)) < 0.2  # log(15/180) = −2.5 where the share of members leaked into the bias


def test_columns_are_found_by_name():
    table, fresh = table_of(), table_of(seed=1)
    attack = fit(table, COLUMNS, 1.0)
    np.testing.assert_array_equal(attack.score(fresh[COLUMNS[::-1]]), attack.score(fresh))
    assert fit(table[::-1][table.columns[::-1]], COLUMNS, 1.0).columns == tuple(COLUMNS)


def test_a_constant_column_changes_nothing():
    table, fresh = (table_of(seed=seed).assign(constant=0.1) for seed in (0, 1))
    without, beside = (fit(table, columns, 1.0) for columns in (COLUMNS, [*COLUMNS, "constant"]))
    np.testing.assert_allclose(beside.score(fresh), without.score(fresh), rtol=1e-4)


def test_an_attack_survives_json_to_the_bit():
    attack = fit(table_of(), COLUMNS, 1.0)
    again = LogisticModel.from_dict(json.loads(json.dumps(attack.to_dict())))
    assert again == attack
    assert again.score(table_of(seed=1)).tolist() == attack.score(table_of(seed=1)).tolist()


def test_fitting_changes_nothing_in_the_table():
    table = table_of()
    before = table.copy()
    fit(table, COLUMNS, 1.0).score(table)
    pd.testing.assert_frame_equal(table, before)


def test_a_backbone_with_other_layers_is_an_error_that_says_what_to_do():
    attack = fit(table_of(), COLUMNS, 1.0)
    with pytest.raises(AttackColumnsError, match=r"6 numbers.*lacks 2 \(signal\.1, …\).*references\.training"):
        attack.score(table_of().drop(columns=["signal.1", "signal.4"]))


def labeled(*people: tuple[int, int]) -> pd.DataFrame:
    """Each person has so many member and so many non-member images."""
    rows = [
        (f"p{person}", is_member)
        for person, counts in enumerate(people)
        for count, is_member in zip(counts, (True, False), strict=True)
        for _ in range(count)
    ]
    table = pd.DataFrame(rows, columns=["identity", "is_member"])
    values = np.random.default_rng(0).normal(size=(len(table), len(COLUMNS)))
    return table.assign(**dict(zip(COLUMNS, values.T, strict=True)))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (labeled(*[(4, 0)] * 6), "24 member and 0 non-member images of 6 people"),
        (labeled(*[(0, 4)] * 6), "0 member and 24 non-member images of 6 people"),
        (labeled(*[(4, 4)] * 4), "16 member and 16 non-member images of 4 people"),
        (labeled(*[(2, 0)] * 2, *[(0, 4)] * 6), "4 member and 24 non-member images of 8 people"),
        (labeled((20, 0), *[(0, 4)] * 6), "20 member and 24 non-member images of 7 people"),  # one single member
        (labeled((0, 20), *[(4, 0)] * 6), "24 member and 20 non-member images of 7 people"),
    ],
)
def test_an_attacker_who_knows_too_little_cannot_fit(table, message):
    with pytest.raises(AttackFitError, match=rf"{message}; .*Raise faces\.splits\.known_share"):
        fit(table, COLUMNS, 1.0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=12))
def test_little_knowledge_ends_in_an_attack_or_in_that_error(people):
    table = labeled(*people)
    folds = _folds(table["is_member"].to_numpy(bool), table["identity"])
    if folds:
        assert np.isfinite(fit(table, COLUMNS[:2], 1.0).threshold)
        assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(len(table)))
    else:
        with pytest.raises(AttackFitError):
            fit(table, COLUMNS, 1.0)


@pytest.mark.parametrize("people", [[(4, 4)] * 5, [(5, 0)] * 3 + [(0, 5)] * 3, [(3, 3)] * 4 + [(0, 6)] * 4])
def test_a_little_more_suffices(people):
    assert len(fit(labeled(*people), COLUMNS, 1.0).weights) == len(COLUMNS)
