import numpy as np
import pytest
from scipy import stats

from faceleak.membership.calibration.student_t import FAR, log_density, log_survival

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
