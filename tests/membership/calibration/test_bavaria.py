import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.metrics import roc_auc_score

from faceleak.membership.calibration import bavaria, lira
from faceleak.membership.calibration.bavaria import (
    FAR,
    Prior,
    fit,
    fit_prior,
    log_density,
    log_survival,
    out_p_value,
    out_z,
    predict,
)
from faceleak.membership.calibration.reference_scores import ReferenceScores


def calibrated(module, scores, online=False, **options):
    """Fitted on the judged images, every second of which is a member."""
    return module.calibrate(scores, module.fit(scores, halves(scores), online), online, **options)


def halves(scores):
    return np.arange(len(scores.target)) % 2 == 0


def test_the_predictive_is_the_integral_over_mean_and_variance():
    prior, values = Prior(0.5, 0.7, 1.5, 2.0), np.array([1.0, 2.5, -0.5])
    side = ReferenceScores(np.zeros(1), values[None], np.zeros((1, 3), bool)).out_side()
    location, scale, degrees = (float(field[0]) for field in predict(side, prior))

    def joint(mean, log_variance, extra):
        variance = np.exp(log_variance)
        spread = np.sqrt(variance)
        density = stats.invgamma.pdf(variance, prior.shape, scale=prior.scale) * variance
        density *= stats.norm.pdf(mean, prior.mean, spread / np.sqrt(prior.weight))
        return density * np.prod([stats.norm.pdf(value, mean, spread) for value in (*values, *extra)], axis=0)

    means, logs = np.meshgrid(np.linspace(-12, 13, 400), np.linspace(-5, 8, 400))

    def inputs(*extra):
        return integrate.trapezoid(integrate.trapezoid(joint(means, logs, extra), means[0], axis=1), logs[:, 0])

    for score in (-2.0, 1.0, 4.0):
        assert inputs(score) / inputs() == pytest.approx(stats.t.pdf(score, degrees, location, scale), rel=1e-4)


@pytest.mark.parametrize(("shape", "references"), [(2.0, 2), (2.0, 8), (5.0, 4)])
def test_the_prior_is_found_again(simulate, shape, references):
    scores, _ = simulate(images=20_000, references=references, shape=shape, between=3.0)
    prior = fit_prior(scores.out_side(), 1.0)
    assert prior.shape == pytest.approx(shape, rel=0.12)
    assert prior.variance == pytest.approx(1.0, rel=0.08)
    assert prior.mean == pytest.approx(0.0, abs=0.1)
    # moments see the mean variance, shape / (shape − 1), in the place of the usual one
    assert prior.weight == pytest.approx(1 / 9, rel=0.25)


def test_where_all_variances_are_the_same_the_prior_says_so(simulate):
    prior = fit_prior(simulate(images=5000, references=6, shape=None)[0].out_side(), 1.0)
    assert prior.shape > 20
    assert prior.variance == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("references", [2, 3, 8, 30])
@pytest.mark.parametrize("shape", [2.0, None])
def test_p_values_of_non_members_are_uniform(simulate, references, shape):
    scores, is_member = simulate(images=20_000, references=references, shape=shape)
    own, own_members = simulate(images=4000, references=references, shape=shape, seed=1)
    p_values = out_p_value(scores, fit(own, own_members))[~is_member]
    assert stats.kstest(p_values, "uniform").statistic < 0.025  # 10,000 images: 0.0136 at 5 %
    assert np.mean(p_values < 0.01) == pytest.approx(0.01, abs=0.005)


def test_p_values_do_not_depend_on_how_variable_an_image_is(simulate):
    scores, is_member = simulate(images=20_000, references=16)
    variable = scores.references.std(1) > np.median(scores.references.std(1))
    p_values = out_p_value(scores, fit(*simulate(images=4000, references=16, seed=1)))
    for half in (variable, ~variable):
        assert np.mean(p_values[half & ~is_member] < 0.05) == pytest.approx(0.05, abs=0.012)


def test_with_many_references_it_is_lira_with_a_variance_an_image(simulate):
    scores, _ = simulate(images=500, references=400)
    online, _ = simulate(images=500, references=400, online=True)
    for pair, is_online in ((scores, False), (online, True)):
        ours, theirs = calibrated(bavaria, pair, is_online), calibrated(lira, pair, is_online)
        assert stats.spearmanr(ours, theirs).statistic > 0.99
        near = np.abs(theirs) < 4
        np.testing.assert_allclose(ours[near], theirs[near], atol=0.25)


def test_with_few_references_it_is_lira_with_one_variance(simulate):
    scores, _ = simulate(images=3000, references=3, shape=None, between=30.0)
    shared, own = calibrated(lira, scores), calibrated(lira, scores, few=2)
    ours = calibrated(bavaria, scores)
    assert stats.spearmanr(ours, shared).statistic > 0.99
    assert stats.spearmanr(ours, own).statistic < 0.97


@pytest.mark.parametrize("references", [2, 3, 5])
@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("shape", [2.0, None])
def test_with_few_references_it_finds_more_than_lira_with_a_variance_an_image(simulate, references, online, shape):
    gains = []
    for seed in range(3):
        scores, is_member = simulate(images=4000, references=references, seed=seed, online=online, shape=shape)
        ours = roc_auc_score(is_member, calibrated(bavaria, scores, online))
        gains.append(ours - roc_auc_score(is_member, calibrated(lira, scores, online, few=2)))
    assert np.mean(gains) > 0.003


def test_z_and_p_value_say_the_same(simulate):
    scores, _ = simulate(images=50, references=5)
    prior = fit_prior(scores.out_side(), 1.0)
    degrees = predict(scores.out_side(), prior).degrees
    learnt = fit(scores, halves(scores))
    assert Prior(**learnt["out"]) == prior
    np.testing.assert_allclose(out_p_value(scores, learnt), stats.t.sf(out_z(scores, learnt), degrees), rtol=1e-9)


def test_an_image_unlike_all_others_has_a_finite_p_value_and_risk():
    references = np.random.default_rng(0).normal(size=(50, 40))
    target = np.zeros(50)
    target[0], target[1] = 1e8, 1e9
    scores = ReferenceScores(target, references, np.zeros((50, 40), bool))
    risk = calibrated(bavaria, scores)
    assert np.isfinite(risk).all()
    assert risk[1] > risk[0] > risk[2:].max()
    assert (out_p_value(scores, fit(scores, halves(scores))) <= 1).all()


def test_where_references_of_a_side_are_lacking_the_other_side_and_the_gap_place_it():
    learnt = {
        "out": {"mean": 0.0, "weight": 1e-6, "shape": 1e4, "scale": 1e4},
        "in": {"mean": 3.0, "weight": 1e-6, "shape": 1e4, "scale": 1e4},
        "gap": {"mean": 2.0, "variance": 0.0},
    }
    references = np.tile([10.0, 10.0, 10.0, 10.0], (2, 1))
    trained_on = np.zeros((2, 4), bool)
    trained_on[1] = True
    scores = ReferenceScores(np.array([11.0, 9.0]), references, trained_on)
    # means of four references of variance 1: either side lies at 10 and the other at 12 or 8, known to 1/4
    expected = stats.norm.logpdf(11, 12, np.sqrt(1.25)) - stats.norm.logpdf(11, 10, np.sqrt(1.25))
    assert expected == 0
    np.testing.assert_allclose(bavaria.calibrate(scores, learnt, online=True), [0, 0], atol=1e-3)
    higher = ReferenceScores(np.array([12.0, 10.0]), references, trained_on)
    expected = stats.norm.logpdf(12, 12, np.sqrt(1.25)) - stats.norm.logpdf(12, 10, np.sqrt(1.25))
    np.testing.assert_allclose(bavaria.calibrate(higher, learnt, online=True), [expected, expected], rtol=1e-3)


# log P(T ≥ z), by mpmath to 50 digits: (degrees, z, value)
EXACT = [
    (1, 40, -4.833817616894664),
    (3, 1e4, -27.533297712883947),
    (5.5, 1e20, -250.4128287466587),
    (20, 200, -78.44309561158356),
    (100, 1e20, -4378.135700273224),
    (1000, 40, -481.8866575635933),
    (20_000, 10, -53.10421806315231),
    (20_000, 1e4, -85179.8023090185),
]


@pytest.mark.parametrize(("degrees", "z", "expected"), EXACT)
def test_the_far_tail_agrees_with_many_digits(degrees, z, expected):
    assert log_survival(np.array([z]), np.array([degrees]))[0] == pytest.approx(expected, rel=1e-12)


def test_elsewhere_it_is_scipys():
    z, degrees = (values.ravel() for values in np.meshgrid(np.linspace(-12, 18, 61), [0.7, 1, 4, 30, 500]))
    expected = np.log(stats.t.sf(z, degrees))
    np.testing.assert_allclose(log_survival(z, degrees), expected, rtol=1e-9, atol=1e-300)
    np.testing.assert_allclose(log_density(z, degrees), stats.t.logpdf(z, degrees), rtol=1e-12)


@pytest.mark.parametrize("degrees", [0.5, 1, 3, 50, 1e4, 1e6])
def test_it_falls_all_the_way_and_where_the_two_ways_meet(degrees):
    z = np.concatenate([np.linspace(-5, 20, 500), FAR + np.linspace(-1e-6, 1e-6, 11), np.geomspace(20, 1e200, 300)])
    z = np.unique(z)
    values = log_survival(z, np.full(len(z), degrees))
    assert np.isfinite(values).all()
    assert (np.diff(values) < 0).all()


def test_the_density_is_finite_where_squares_are_not():
    # f(z) ~ z^−(degrees + 1) far out
    near, far = log_density(np.array([1e90, 1e200]), np.array([4.0, 4.0]))
    assert far - near == pytest.approx(-5 * np.log(1e110))
