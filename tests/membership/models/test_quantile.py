import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from faceleak.membership.models import quantile
from faceleak.membership.models.base import AttackFitError


def test_non_members_are_standard_normal_whatever_their_numbers(cases):
    table_of, columns = cases["quantile"]
    model, fresh = quantile.fit(table_of(0, people=240), columns), table_of(1, people=400)
    scores, others = model.score(fresh), ~fresh["is_member"]
    for half in (fresh["signal.1"] > 0, fresh["signal.1"] <= 0):
        assert stats.kstest(scores[half & others], "norm").statistic < 0.12
        assert scores[half & others].std() == pytest.approx(1, abs=0.15)
    # the raw score loses members among images whose scores vary much; 1.5 scales apart gives an AUC of Φ(1.5/√2)
    known = stats.norm.cdf(1.5 / np.sqrt(2))
    assert roc_auc_score(fresh["is_member"], scores) == pytest.approx(known, abs=0.03)
    assert roc_auc_score(fresh["is_member"], fresh["score"]) < known - 0.1


def test_members_teach_it_nothing_but_the_threshold(cases):
    table_of, columns = cases["quantile"]
    table = table_of(0, people=40)
    moved = table.assign(score=table["score"] + 5 * table["is_member"])
    one, other = (quantile.fit(each, columns) for each in (table, moved))
    assert one.parameters == other.parameters
    assert one.scaling == other.scaling
    assert other.threshold > one.threshold


def test_a_score_alone_cannot_be_regressed(cases):
    table_of, columns = cases["quantile"]
    with pytest.raises(AttackFitError, match="there are 1 columns in all"):
        quantile.fit(table_of(0), columns[:1])
