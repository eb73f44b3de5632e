import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from faceleak.metrics.roc import MetricError
from faceleak.metrics.scaling import fit_power_law


def sweep(intercept=-0.1, people=-0.5, images=-0.2, noise=0.0, seed=0, seeds=1):
    generator = np.random.default_rng(seed)
    grid = [(p, i) for p in (25, 50, 100, 200, 400) for i in (2, 5, 10, 20) for _ in range(seeds)]
    table = pd.DataFrame(grid, columns=["people", "images_per_person"])
    exponent = intercept + people * np.log10(table["people"]) + images * np.log10(table["images_per_person"])
    return table.assign(advantage=10 ** (exponent + noise * generator.normal(size=len(table))))


@given(st.floats(-1, 0), st.floats(-1, 0.5), st.floats(-1, 0.5))
def test_an_exact_law_is_found_again(intercept, people, images):
    law = fit_power_law(sweep(intercept, people, images))
    fitted = [law.intercept.value, law.people.value, law.images_per_person.value]
    np.testing.assert_allclose(fitted, [intercept, people, images], atol=1e-9)
    prediction = law.predict(10_000, 50)
    assert prediction.value == pytest.approx(min(1.0, 10 ** (intercept + 4 * people + np.log10(50) * images)))
    assert prediction.low <= prediction.value <= prediction.high <= 1
    assert prediction.high - prediction.low < 1e-6


def test_values_by_hand():
    # one factor at a time: advantage = 0.5 · people^-1 · images^-1 · 10^±0.1, balanced around the line
    table = pd.DataFrame({"people": [1, 10, 1, 10], "images_per_person": [1, 1, 10, 10]})
    table["advantage"] = 0.5 * np.array([1, 0.1, 0.1, 0.01]) * 10 ** np.array([0.1, -0.1, -0.1, 0.1])
    law = fit_power_law(table)
    assert (law.people.value, law.images_per_person.value) == pytest.approx((-1, -1))
    assert law.intercept.value == pytest.approx(np.log10(0.5))
    assert law.degrees_of_freedom == 1
    assert law.residual_error == pytest.approx(0.2)  # √(4 · 0.1² / 1)
    # slope: residual error / √(Σ (x − mean)²) = 0.2 / 1, times the t quantile of one degree of freedom
    assert law.people.high == pytest.approx(-1 + 12.7062 * 0.2, abs=1e-4)
    center = law.predict(10**0.5, 10**0.5)
    assert center.value == pytest.approx(0.05)
    assert np.log10(center.low) == pytest.approx(np.log10(0.05) - 12.7062 * 0.2 * np.sqrt(1 + 1 / 4), abs=1e-4)


def test_it_agrees_with_another_least_squares():
    table = sweep(noise=0.1)
    axes = np.log10(table[["people", "images_per_person"]].to_numpy())
    expected = LinearRegression().fit(axes, np.log10(table["advantage"]))
    law = fit_power_law(table)
    np.testing.assert_allclose([law.people.value, law.images_per_person.value], expected.coef_)
    assert law.intercept.value == pytest.approx(expected.intercept_)


def test_intervals_hold_the_true_exponents_and_the_next_measurement():
    exponents = predictions = 0
    for seed in range(200):
        law = fit_power_law(sweep(noise=0.1, seed=seed))
        exponents += law.people.low <= -0.5 <= law.people.high
        measured = 10 ** (-0.1 - 0.5 * 3 - 0.2 * 1 + 0.1 * np.random.default_rng([seed, 1]).normal())
        prediction = law.predict(1000, 10)
        predictions += prediction.low <= measured <= prediction.high
    assert 0.91 <= exponents / 200 <= 0.99
    assert 0.91 <= predictions / 200 <= 0.99


def test_a_prediction_outside_the_measured_sizes_is_marked_and_wider():
    law = fit_power_law(sweep(noise=0.1))
    assert not law.predict(100, 5).extrapolated
    assert not law.predict(25, 20).extrapolated
    for size in ((10_000, 5), (24, 5), (100, 1), (100, 21)):
        assert law.predict(*size).extrapolated
    spread = [np.log(p.high / p.low) for p in (law.predict(100, 5), law.predict(100_000, 5))]
    assert spread[1] > 1.5 * spread[0]


def test_a_rate_stays_a_rate():
    prediction = fit_power_law(sweep(intercept=-0.1, people=0.5, noise=0.1)).predict(1e9, 1)
    assert prediction.value == prediction.high == 1
    assert prediction.named("advantage") == {
        "advantage": 1.0,
        "advantage_ci_low": prediction.low,
        "advantage_ci_high": 1.0,
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="people"), "lacks people"),
        (lambda t: t.head(3), "3 measurements do not show"),
        (lambda t: t.assign(advantage=0.0), "20 of 20 measurements hold a number that is not above 0"),
        (lambda t: t.assign(advantage=np.nan), "20 of 20 measurements"),
        (lambda t: t[t["people"] == 100], "do not tell people and images a person apart"),
        (lambda t: t.assign(images_per_person=t["people"] ** 2), "do not tell people and images a person apart"),
    ],
)
def test_a_sweep_that_fits_no_law_is_refused(change, message):
    with pytest.raises(MetricError, match=message):
        fit_power_law(change(pd.concat([sweep()])))


def test_sizes_that_are_none_are_refused():
    with pytest.raises(MetricError, match="0 people with 5 images"):
        fit_power_law(sweep(noise=0.1)).predict(0, 5)
