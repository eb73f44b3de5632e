import pytest
from dp_accounting import GaussianDpEvent, PoissonSampledDpEvent, SelfComposedDpEvent
from dp_accounting.pld import PLDAccountant
from opacus.accountants import PRVAccountant

from faceleak.defenses.private import accounting
from faceleak.defenses.private.accounting import default_delta, describe, epsilon_spent, noise_multiplier
from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.settings import PrivateSettings

FEW, MORE, MANY = (4.0, 1e-2, 0.6, 4), (8.0, 1e-3, 0.25, 60), (3.0, 1e-4, 0.1, 100)


def accountant_after(sigma: float, rate: float, steps: int) -> PRVAccountant:
    accountant = PRVAccountant()
    for _ in range(steps):
        accountant.step(noise_multiplier=sigma, sample_rate=rate)
    return accountant


@pytest.mark.parametrize(
    ("epsilon", "delta", "rate", "steps"),
    [FEW, *(pytest.param(*case, marks=pytest.mark.slow) for case in (MORE, MANY))],
)
def test_the_noise_keeps_epsilon_and_is_no_larger_than_needed(epsilon, delta, rate, steps):
    sigma = noise_multiplier(epsilon, delta, rate, steps)
    assert 0.99 * epsilon < epsilon_spent(accountant_after(sigma, rate, steps), delta) <= epsilon * 1.0001


@pytest.mark.parametrize(("epsilon", "delta", "rate", "steps"), [MORE, pytest.param(*MANY, marks=pytest.mark.slow)])
def test_epsilon_is_that_of_an_independent_accountant(epsilon, delta, rate, steps):
    sigma = {8.0: 1.15, 3.0: 1.6}[epsilon]
    other = PLDAccountant(value_discretization_interval=1e-3)
    step = PoissonSampledDpEvent(rate, GaussianDpEvent(sigma))
    other.compose(SelfComposedDpEvent(step, steps))
    assert epsilon_spent(accountant_after(sigma, rate, steps), delta) == pytest.approx(
        other.get_epsilon(delta), rel=0.01
    )


def test_more_steps_cost_more_and_none_cost_nothing():
    assert epsilon_spent(PRVAccountant(), 1e-3) == 0
    few, many = (epsilon_spent(accountant_after(1.0, 0.1, steps), 1e-3) for steps in (10, 40))
    assert 0 < few < many


def test_delta_is_a_tenth_of_one_unit():
    assert default_delta(100) == pytest.approx(1e-3)


@pytest.mark.parametrize("error", [ValueError("The privacy budget is too low."), MemoryError()])
def test_a_budget_that_no_noise_keeps_is_an_error(error, monkeypatch):
    def refuse(**_):
        raise error

    monkeypatch.setattr(accounting, "get_noise_multiplier", refuse)
    with pytest.raises(PrivateTrainingError, match="No noise keeps"):
        noise_multiplier(0.02, 1e-12, 0.9, 10_000)


def test_the_claim_says_for_whom_it_holds_and_for_whom_not():
    people = describe(PrivateSettings(unit="identity", secret_seed=True), 8.0, 1e-3, 0.25, 1.1)
    images = describe(PrivateSettings(unit="image"), 8.0, 1e-3, 0.25, 1.1)
    assert "all images of one person" in people["covers"]
    assert "one image," in images["covers"]
    assert "e^8 " in people["covers"]
    assert "0.001" in people["covers"]
    assert not any("group privacy" in gap or "seed" in gap for gap in people["does_not_cover"])
    assert any("group privacy" in gap for gap in images["does_not_cover"])
    assert any("seed" in gap for gap in images["does_not_cover"])
    assert (images["seed"], people["seed"]) == ("known", "secret")
