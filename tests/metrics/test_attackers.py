from functools import partial

import pytest

from faceleak.metrics.attackers import SIDE_BY_SIDE, is_much, measure_attacker
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions, run_tasks
from tests.metrics.test_membership import scores_table

OPTIONS = BootstrapOptions(resamples=200)


@pytest.mark.slow
def test_attacks_are_measured_alike_side_by_side_and_one_after_the_other():
    tables = [scores_table(0.0, shift) for shift in (0.5, 1.0, 2.0)]
    blind = scores_table(0.0, 0.1, seed=1)
    measure = partial(measure_attacker, blind=blind, aggregation="mean", bootstrap=OPTIONS)
    alone = [measure(table) for table in tables]
    assert run_tasks(measure, tables, ComputeOptions(workers=2)) == alone
    assert len({of_attack["unseen_identity"]["auc"] for of_attack in alone}) == 3
    assert alone[0]["unseen_identity"].keys() >= {"auc", "advantage_over_blind", "epsilon_lower_bound"}


def test_few_scores_are_not_worth_workers():
    assert not is_much(SIDE_BY_SIDE // 200 - 1, OPTIONS)
    assert is_much(SIDE_BY_SIDE // 200, OPTIONS)
