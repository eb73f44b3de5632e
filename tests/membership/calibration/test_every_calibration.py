import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from faceleak.errors import FaceleakError
from faceleak.membership.calibration import registry
from faceleak.membership.calibration.reference_scores import MissingReferencesError, ReferenceScores

POPULATION = np.random.default_rng(9).normal(size=50)


def calibrate(name, scores, online=False, **options):
    if name == "rmia":
        options |= {"population": POPULATION}
    return registry.get(name).calibrate(scores, online, **options)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("references", [1, 2, 3, 12])
@pytest.mark.parametrize("online", [False, True])
def test_members_score_higher_with_one_reference_and_with_many(simulate, name, references, online):
    scores, is_member = simulate(references=references, online=online)
    calibrated = calibrate(name, scores, online)
    assert calibrated.shape == is_member.shape
    assert np.isfinite(calibrated).all()
    assert roc_auc_score(is_member, calibrated) > 0.59  # 2,000 images: a standard error of 0.013


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("online", [False, True])
def test_without_a_difference_between_members_and_others_nothing_is_found(simulate, name, online):
    scores, is_member = simulate(images=4000, online=online)
    shuffled = np.random.default_rng(0).permutation(is_member)
    assert roc_auc_score(shuffled, calibrate(name, scores, online)) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", registry.names())
def test_the_offline_score_rises_with_the_targets_far_into_both_tails(name):
    random = np.random.default_rng(0)
    rising = np.sort(np.concatenate([random.normal(0, 3, 200), [-60, -30, 30, 34, 1e2, 1e3, 1e5]]))
    references = np.tile(random.normal(size=6), (len(rising), 1))
    calibrated = calibrate(name, ReferenceScores(rising, references, np.zeros(references.shape, bool)))
    assert np.isfinite(calibrated).all()
    assert (np.diff(calibrated) >= 0).all()
    tail = np.diff(calibrated[rising < 35][-40:])
    assert (tail > 0).all()  # the clearest members are told apart


@pytest.mark.parametrize("name", ["difference", "lira"])
@pytest.mark.parametrize(("references", "online"), [(1, False), (4, False), (1, True), (4, True)])
def test_what_an_image_adds_to_every_backbone_changes_nothing(simulate, name, references, online):
    scores, _ = simulate(images=300, references=references, online=online)
    added = np.random.default_rng(1).normal(0, 10, 300)
    moved = ReferenceScores(scores.target + added, scores.references + added[:, None], scores.trained_on)
    np.testing.assert_allclose(calibrate(name, moved, online), calibrate(name, scores, online), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", registry.names())
def test_no_image_is_judged_offline_by_a_reference_that_was_trained_on_it(simulate, name):
    scores, _ = simulate(images=100, online=True)
    changed = ReferenceScores(
        scores.target, np.where(scores.trained_on, scores.references * 3 + 1, scores.references), scores.trained_on
    )
    np.testing.assert_array_equal(calibrate(name, changed), calibrate(name, scores))
    assert not np.array_equal(calibrate(name, changed, online=True), calibrate(name, scores, online=True))


@pytest.mark.parametrize("name", registry.names())
def test_an_image_without_references_of_a_side_is_an_error_that_counts_them(name):
    trained_on = np.array([[True, True], [False, True], [False, False]])
    scores = ReferenceScores(np.zeros(3), np.arange(6.0).reshape(3, 2), trained_on)
    with pytest.raises(MissingReferencesError, match="1 of 3 images were training images of every reference") as error:
        calibrate(name, scores)
    assert isinstance(error.value, FaceleakError)
    some = ReferenceScores(np.zeros(2), np.arange(4.0).reshape(2, 2), trained_on[1:])
    assert np.isfinite(calibrate(name, some)).all()
    with pytest.raises(MissingReferencesError, match=r"1 of 2 images were training images of no reference.*offline"):
        calibrate(name, some, online=True)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 10**6), st.booleans(), st.booleans())
def test_any_mixture_of_references_gives_finite_scores(images, references, seed, online, coarse):
    random = np.random.default_rng(seed)
    trained_on = random.random((images, references + 2)) < 0.5
    trained_on[:, 0], trained_on[:, 1] = False, True
    values = random.normal(size=(images, references + 3))
    if coarse:  # ties, and images on which all backbones agree
        values = np.round(values * 0.6)
    scores = ReferenceScores(values[:, 0], values[:, 1:], trained_on)
    for name in registry.names():
        assert np.isfinite(calibrate(name, scores, online)).all()


@pytest.mark.parametrize("name", registry.names())
def test_references_that_agree_on_everything_are_no_reason_to_fail(name):
    scores = ReferenceScores(np.array([0.0, 1.0]), np.zeros((2, 3)), np.zeros((2, 3), bool))
    first, second = calibrate(name, scores)
    assert np.isfinite(first)
    assert second > first
