import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from faceleak.defenses.private.clipping import add_noise, clipped_sum, clipping_factors, unit_gradients

SHAPES = ((3,), (2, 4), (1, 1, 2))


def length(gradients) -> float:
    return float(torch.cat([gradient.double().flatten() for gradient in gradients]).norm())


@given(st.integers(1, 7), st.floats(-8, 8), st.floats(1e-3, 1e3), st.integers(0, 2**31))
def test_no_unit_and_no_sum_passes_the_bound(units, exponent, bound, seed):
    random = torch.Generator().manual_seed(seed)
    gradients = [10**exponent * torch.randn(units, *shape, generator=random) for shape in SHAPES]
    total = clipped_sum(gradients, bound)
    assert length(total) <= units * bound
    for unit in range(units):
        assert length(clipped_sum([gradient[unit, None] for gradient in gradients], bound)) <= bound
        others = [torch.cat([gradient[:unit], gradient[unit + 1 :]]) for gradient in gradients]
        without = clipped_sum(others, bound)
        difference = [more.double() - fewer.double() for more, fewer in zip(total, without, strict=True)]
        assert length(difference) <= bound * (1 + 1e-6 * units)  # sums in float32 are rounded


def test_all_parameters_of_a_unit_are_clipped_as_one_vector():
    gradients = [torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[4.0], [0.4]])]  # lengths 5 and 0.5
    torch.testing.assert_close(
        clipping_factors(gradients, 1.0), torch.tensor([0.2, 1.0], dtype=torch.float64), rtol=1e-5, atol=0
    )
    total = clipped_sum(gradients, 1.0)
    torch.testing.assert_close(total, [torch.tensor([0.9, 0.0]), torch.tensor([1.2])], rtol=1e-5, atol=0)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_unit_without_a_finite_gradient_counts_nothing(broken):
    gradients = [torch.tensor([[broken, 0.0], [0.5, 0.0]]), torch.tensor([[1.0], [0.0]])]
    torch.testing.assert_close(clipped_sum(gradients, 1.0), [torch.tensor([0.5, 0.0]), torch.tensor([0.0])])


def test_a_units_gradient_is_the_sum_over_its_views():
    per_view = torch.tensor([[1.0, 0.0], [2.0, 1.0], [4.0, 0.0]])
    expected = torch.tensor([[5.0, 0.0], [2.0, 1.0], [0.0, 0.0]])
    torch.testing.assert_close(unit_gradients(per_view, torch.tensor([0, 1, 0]), 3), expected)


def test_noise_has_the_stated_standard_deviation():
    gradients = [torch.full((40_000,), 3.0), torch.zeros(100, 400)]
    noisy = add_noise(gradients, 0.7, torch.Generator().manual_seed(0))
    noise = [after - before for after, before in zip(noisy, gradients, strict=True)]
    for part in noise:  # standard errors: 0.35 % of the deviation, 0.0035 of the mean
        assert float(part.std()) == pytest.approx(0.7, rel=0.015)
        assert float(part.mean()) == pytest.approx(0, abs=0.015)
    assert abs(float(torch.corrcoef(torch.stack([part.flatten() for part in noise]))[0, 1])) < 0.02
