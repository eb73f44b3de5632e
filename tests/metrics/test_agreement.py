import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.metrics.agreement import find_people
from faceleak.metrics.gallery import Gallery, build_gallery
from faceleak.metrics.roc import MetricError

AXES = np.eye(3)
PEOPLE = Gallery(AXES[:2], np.array(["a", "b"]))


def test_agreement_by_hand() -> None:
    first = np.array([[0.9, 0.1, 0.4], [0.7, 0.6, 0.4], [0.9, 0.1, 0.4]])
    second = np.array([[0.8, 0.1, 0.5], [0.6, 0.7, 0.4], [0.2, 0.1, 0.9]])
    found = find_people([first, second], [PEOPLE, PEOPLE], [0.5, 0.5])
    # both say a; both accept both, but each names another one; the second does not accept anybody
    assert found.matches.tolist() == [True, False, False]
    assert found.person[[0, 2]].tolist() == [0, 0]


@given(st.integers(0, 1000), st.integers(2, 3))
def test_a_match_is_nearest_for_every_judge_and_more_judges_never_match_more(seed: int, judges: int) -> None:
    generator = np.random.default_rng(seed)
    galleries = [build_gallery(generator.normal(size=(6, 4)), np.arange(6)) for _ in range(judges)]
    embeddings = [generator.normal(size=(30, 4)) for _ in range(judges)]
    thresholds = generator.uniform(-0.2, 0.6, judges)
    found = find_people(embeddings, galleries, thresholds)
    for of_judge, gallery, threshold in zip(embeddings, galleries, thresholds, strict=True):
        cosines = gallery.similarities(of_judge)[found.matches]
        assert (cosines.argmax(1) == found.person[found.matches]).all()
        assert (cosines.max(1) >= threshold).all()
        alone = find_people([of_judge], [gallery], [threshold])
        assert (alone.matches | ~found.matches).all()
        assert (alone.person == gallery.similarities(of_judge).argmax(1)).all()


def test_judges_with_different_people_are_refused() -> None:
    others = Gallery(AXES[:2], np.array(["a", "c"]))
    with pytest.raises(MetricError, match="different people"):
        find_people([AXES, AXES], [PEOPLE, others], [0.5, 0.5])
