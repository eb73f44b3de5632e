import numpy as np
import pytest
import torch

from faceleak.defenses.private.sampling import DrawRecord, PoissonSampler

UNITS, STEPS = 200, 2000


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_each_unit_is_drawn_by_itself_with_the_rate(rate):
    sampler = PoissonSampler(UNITS, rate, torch.Generator().manual_seed(0))
    drawn = np.zeros((STEPS, UNITS), bool)
    for step in range(STEPS):
        drawn[step, sampler.draw()] = True
    # standard errors: √(q(1−q)/400,000) of the rate, √(2/2000) of the variance of the sizes
    assert drawn.mean() == pytest.approx(rate, abs=4 * np.sqrt(rate * (1 - rate) / drawn.size))
    assert drawn.sum(1).var() == pytest.approx(UNITS * rate * (1 - rate), rel=0.15)
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.1
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.1


def test_a_rate_of_1_draws_every_unit():
    assert PoissonSampler(5, 1.0, torch.Generator()).draw().tolist() == [0, 1, 2, 3, 4]


def test_the_record_counts_sizes_and_units():
    record = DrawRecord(torch.zeros(4, dtype=torch.int64))
    for drawn in ([0, 2], [], [2, 3, 0]):
        record.add(torch.tensor(drawn, dtype=torch.int64))
    assert record.sizes == [2, 0, 3]
    assert record.times_drawn.tolist() == [2, 0, 2, 1]
