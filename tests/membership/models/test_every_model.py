import json
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from faceleak.membership.models import logistic
from faceleak.membership.models.base import AttackColumnsError, AttackFitError

MODELS = {"mlp": "MlpAttackModel", "cnn": "CnnAttackModel", "quantile": "QuantileAttackModel"}


@pytest.fixture(scope="module", params=MODELS)
def case(request, cases):
    """(module, fitted model, table by seed, columns)."""
    module = import_module(f"faceleak.membership.models.{request.param}")
    table_of, columns = cases[request.param]
    return module, module.fit(table_of(0), columns), table_of, columns


def test_it_finds_what_a_linear_attack_does_not(case):
    _, model, table_of, columns = case
    fresh = table_of(1)
    scores = model.score(fresh)
    assert scores.shape == (len(fresh),)
    assert scores.dtype == np.float64
    ours = roc_auc_score(fresh["is_member"], scores)
    linear = roc_auc_score(fresh["is_member"], logistic.fit(table_of(0), columns, 1.0).score(fresh))
    assert ours > 0.8
    assert ours > linear + 0.02


def test_the_threshold_is_near_the_best_for_fresh_people(case):
    _, model, table_of, _ = case
    fresh = table_of(1)
    scores, is_member = model.score(fresh), fresh["is_member"]
    best = max(balanced_accuracy_score(is_member, scores >= score) for score in np.quantile(scores, np.arange(50) / 50))
    assert balanced_accuracy_score(is_member, scores >= model.threshold) > best - 0.04


def test_labels_that_mean_nothing_teach_nothing(case):
    module, _, table_of, columns = case
    table, fresh = table_of(2), table_of(3, people=300)
    people = table["identity"].unique()
    members = set(np.random.default_rng(0).permutation(people)[: len(people) // 2])
    model = module.fit(table.assign(is_member=table["identity"].isin(members)), columns)
    shuffled = np.random.default_rng(1).permutation(fresh["is_member"])
    # 1,800 images: the standard error of an AUC is 0.014
    assert roc_auc_score(shuffled, model.score(fresh)) == pytest.approx(0.5, abs=0.045)
    if module.__name__.endswith("quantile"):
        return  # it does not learn from members, and is right whatever they are called
    assert roc_auc_score(fresh["is_member"], model.score(fresh)) == pytest.approx(0.5, abs=0.12)


def test_fitting_twice_gives_the_same_model_and_another_seed_another(case):
    module, _, table_of, columns = case
    table, state = table_of(0, people=40), torch.get_rng_state()
    before = table.copy()
    model = module.fit(table, columns)
    torch.manual_seed(123)
    assert module.fit(table, columns) == model
    torch.set_rng_state(state)
    other = module.fit(table, columns, seed=1)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is left alone
    assert other.parameters != model.parameters
    pd.testing.assert_frame_equal(table, before)


def test_it_survives_json_to_the_bit(case):
    module, model, table_of, _ = case
    again = getattr(module, MODELS[module.__name__.split(".")[-1]]).from_dict(json.loads(json.dumps(model.to_dict())))
    assert again == model
    assert again.score(table_of(1)).tolist() == model.score(table_of(1)).tolist()


def test_columns_are_found_by_name_and_missed_with_a_message(case):
    _, model, table_of, columns = case
    fresh = table_of(1)
    np.testing.assert_array_equal(model.score(fresh[fresh.columns[::-1]]), model.score(fresh))
    np.testing.assert_allclose(model.score(fresh[:7]), model.score(fresh)[:7], rtol=1e-4, atol=1e-5)
    with pytest.raises(AttackColumnsError, match=rf"{len(columns)} numbers.*lacks 1 .*references\.training"):
        model.score(fresh.drop(columns=columns[1]))


def test_an_attacker_who_knows_too_few_people_cannot_fit(case):
    module, _, table_of, columns = case
    with pytest.raises(AttackFitError, match=r"12 member and 12 non-member images of 4 people.*known_share"):
        module.fit(table_of(0, people=4), columns)


def test_few_members_weigh_as_much_as_many_non_members(case):
    module, _, table_of, columns = case
    table = table_of(0)
    few = table[~table["is_member"] | (np.arange(len(table)) % 6 < 1)]
    assert few["is_member"].mean() < 0.15
    model, fresh = module.fit(few, columns), table_of(1)
    says_member = model.score(fresh) >= model.threshold
    assert 0.2 < says_member.mean() < 0.8
    assert balanced_accuracy_score(fresh["is_member"], says_member) > 0.65
