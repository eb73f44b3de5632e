import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from faceleak.common.errors import FaceleakError
from faceleak.membership.calibration import registry
from faceleak.membership.calibration.reference_scores import MissingReferencesError, ReferenceScores


def calibrate(name, scores, online=False, own=None, is_member=None):
    """Fit on `own` images of the attacker, every second of them a member; on the judged ones where there are none."""
    own = scores if own is None else own
    is_member = np.arange(len(own.target)) % 2 == 0 if is_member is None else is_member
    module = registry.get(name)
    return module.calibrate(scores, module.fit(own, is_member, online), online)


@pytest.fixture(scope="module")
def own(simulate):
    """The attacker's own images: online or not → scores."""
    return {online: simulate(images=400, seed=7, online=online)[0] for online in (False, True)}


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("references", [1, 2, 3, 12])
@pytest.mark.parametrize("online", [False, True])
def test_members_score_higher_with_one_reference_and_with_many(simulate, name, references, online):
    scores, is_member = simulate(references=references, online=online)
    calibrated = calibrate(name, scores, online, simulate(500, references, seed=5, online=online)[0])
    assert calibrated.shape == is_member.shape
    assert np.isfinite(calibrated).all()
    assert roc_auc_score(is_member, calibrated) > 0.59  # 2,000 images: a standard error of 0.013


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("online", [False, True])
def test_without_a_difference_between_members_and_others_nothing_is_found(simulate, name, online, own):
    scores, is_member = simulate(images=4000, online=online)
    shuffled = np.random.default_rng(0).permutation(is_member)
    assert roc_auc_score(shuffled, calibrate(name, scores, online, own[online])) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("references", [1, 4])
@pytest.mark.parametrize("online", [False, True])
def test_what_an_image_gets_does_not_depend_on_the_others_that_are_judged(simulate, name, references, online):
    scores, _ = simulate(images=60, references=references, online=online)
    own, _ = simulate(200, references, seed=7, online=online)
    whole = calibrate(name, scores, online, own)
    for some in (slice(0, 1), slice(3, 20)):
        part = ReferenceScores(scores.target[some], scores.references[some], scores.trained_on[some])
        np.testing.assert_allclose(calibrate(name, part, online, own), whole[some], rtol=1e-12)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("references", [1, 4])
@pytest.mark.parametrize("online", [False, True])
def test_what_is_learnt_is_plain_and_knows_members_by_their_references_alone(simulate, name, references, online):
    own, is_member = simulate(images=200, references=references, online=online)
    module = registry.get(name)
    learnt = module.fit(own, is_member, online)
    assert json.loads(json.dumps(learnt)) == learnt
    raised = ReferenceScores(own.target + 9.0 * is_member, own.references, own.trained_on)
    assert module.fit(raised, is_member, online) == learnt


@pytest.mark.parametrize("name", registry.names())
def test_the_offline_score_rises_with_the_targets_far_into_both_tails(name, own):
    random = np.random.default_rng(0)
    rising = np.sort(np.concatenate([random.normal(0, 3, 200), [-60, -30, 30, 34, 1e2, 1e3, 1e5]]))
    references = np.tile(random.normal(size=6), (len(rising), 1))
    calibrated = calibrate(name, ReferenceScores(rising, references, np.zeros(references.shape, bool)), own=own[False])
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
    np.testing.assert_array_equal(calibrate(name, changed), calibrate(name, scores))  # fitted on both, too
    assert not np.array_equal(calibrate(name, changed, online=True), calibrate(name, scores, online=True))


@pytest.mark.parametrize("name", registry.names())
def test_offline_an_image_that_all_references_know_is_an_error_that_counts_them(name, own):
    trained_on = np.array([[True, True], [False, True], [False, False]])
    scores = ReferenceScores(np.zeros(3), np.arange(6.0).reshape(3, 2), trained_on)
    with pytest.raises(MissingReferencesError, match="1 of 3 images were training images of every reference") as error:
        calibrate(name, scores, own=own[False])
    assert isinstance(error.value, FaceleakError)
    some = ReferenceScores(np.zeros(2), np.arange(4.0).reshape(2, 2), trained_on[1:])
    assert np.isfinite(calibrate(name, some, own=own[False])).all()


@pytest.mark.parametrize("name", registry.names())
def test_online_an_image_may_lack_a_side_but_not_all_of_the_attackers_own_may(name, own):
    trained_on = np.array([[True, True], [False, True], [False, False]])
    scores = ReferenceScores(np.zeros(3), np.arange(6.0).reshape(3, 2), trained_on)
    assert np.isfinite(calibrate(name, scores, online=True, own=own[True])).all()
    one_sided = ReferenceScores(np.zeros(2), np.arange(4.0).reshape(2, 2), trained_on[[0, 2]])
    with pytest.raises(MissingReferencesError, match=r"None of 2 images.*has both.*Raise membership\.targets"):
        calibrate(name, scores, online=True, own=one_sided)


@pytest.mark.parametrize("name", registry.names())
@pytest.mark.parametrize("references", [2, 4])
def test_members_score_higher_online_though_references_of_a_side_are_lacking(simulate, name, references):
    def drawn(images, seed):
        scores, is_member = simulate(images, references, seed=seed, shape=None)
        random = np.random.default_rng(seed)
        trained_on = random.random(scores.references.shape) < 0.3
        return ReferenceScores(scores.target, scores.references + trained_on, trained_on), is_member

    (own, own_members), (scores, is_member) = drawn(500, 1), drawn(3000, 2)
    calibrated = calibrate(name, scores, True, own, own_members)
    lacking = ~scores.trained_on.any(axis=1)
    assert 0.2 < lacking.mean() < 0.6
    for some in (lacking, ~lacking):
        assert roc_auc_score(is_member[some], calibrated[some]) > 0.62


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
        one_class = np.zeros(images, bool)
        assert np.isfinite(calibrate(name, scores, online, is_member=one_class)).all()


@pytest.mark.parametrize("name", registry.names())
def test_references_that_agree_on_everything_are_no_reason_to_fail(name):
    scores = ReferenceScores(np.array([0.0, 1.0]), np.zeros((2, 3)), np.zeros((2, 3), bool))
    first, second = calibrate(name, scores)
    assert np.isfinite(first)
    assert second > first
