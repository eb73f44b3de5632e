import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.metrics.matcher import (
    Gallery,
    build_gallery,
    build_image_gallery,
    find_people,
    make_lax_matcher,
    make_matcher,
    make_panel,
    match_threshold,
)
from faceleak.metrics.roc import MetricError


def test_a_template_is_the_normalized_mean_of_normalized_embeddings():
    embeddings = np.array([[0.0, 3.0], [10.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    gallery = build_gallery(embeddings, np.array(["b", "a", "a", "b"]))
    assert gallery.identities.tolist() == ["a", "b"]
    np.testing.assert_allclose(gallery.templates, [[np.sqrt(0.5), np.sqrt(0.5)], [0, 1]])
    assert len(gallery) == 2


def test_people_without_a_direction_or_a_name_are_refused():
    with pytest.raises(MetricError, match="1 of 1 embeddings are zero"):
        build_gallery(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array(["a", "a"]))
    with pytest.raises(MetricError, match="2 embeddings and 1 identities"):
        build_gallery(np.eye(2), np.array(["a"]))


def test_similarities_agree_with_a_loop():
    generator = np.random.default_rng(0)
    images, identities = generator.normal(size=(30, 6)), generator.integers(0, 10, 30)
    embeddings = 5 * generator.normal(size=(20, 6))
    for build, of_person in ((build_image_gallery, np.max), (build_gallery, None)):
        gallery = build(images, identities)
        for embedding, found in zip(embeddings, gallery.similarities(embeddings), strict=True):
            for person, similarity in zip(gallery.identities, found, strict=True):
                own = images[identities == person]
                own = own / np.linalg.norm(own, axis=1, keepdims=True)
                own = own if of_person else own.mean(0, keepdims=True) / np.linalg.norm(own.mean(0))
                assert similarity == pytest.approx(max(own @ embedding) / np.linalg.norm(embedding))


def test_a_gallery_of_images_keeps_all_images_of_the_people_it_keeps():
    images, identities = np.eye(5), np.array(["b", "a", "b", "c", "a"])
    kept = build_image_gallery(images, identities).without({"a"})
    assert kept.identities.tolist() == ["b", "c"]
    np.testing.assert_array_equal(kept.similarities(images), [[1, 0], [0, 0], [1, 0], [0, 1], [0, 0]])
    assert len(kept.without({"b", "c"})) == 0


def test_the_threshold_lets_the_given_share_of_comparisons_pass():
    generator = np.random.default_rng(0)
    gallery = build_gallery(generator.normal(size=(20, 16)), np.arange(20))
    non_members = generator.normal(size=(500, 16))
    threshold = match_threshold(non_members, [gallery], far=0.001)
    cosines = non_members / np.linalg.norm(non_members, axis=1, keepdims=True) @ gallery.templates.T
    assert (cosines >= threshold).sum() == 10  # of 10,000 comparisons
    with pytest.raises(MetricError, match="at least 1000"):
        match_threshold(non_members[:49], [gallery], far=0.001)


EAST, NORTH, UP = np.eye(3)


def _rows(role: str, identity: str, *embeddings: np.ndarray, known: bool = False) -> list[dict[str, object]]:
    return [{"role": role, "identity": identity, "known": known, "embedding": embedding} for embedding in embeddings]


def _people(non_members: int = 20) -> pd.DataFrame:
    """Members a (east) and b (north), controls c (up) and d (east and up), non-members at 0°, 4°, 8° … from north."""
    angles = np.deg2rad(4 * np.arange(non_members))
    return pd.DataFrame(
        _rows("member", "a", NORTH)
        + _rows("same_identity", "a", 2 * EAST, EAST, known=True)
        + _rows("same_identity", "b", NORTH)
        + _rows("unseen_identity", "c", UP)
        + _rows("unseen_identity", "d", EAST + UP)
        + [row for angle in angles for row in _rows("public", "s", np.cos(angle) * NORTH - np.sin(angle) * EAST)]
    )


def test_templates_come_from_images_that_the_target_never_saw() -> None:
    matcher = make_matcher(_people(), 0.05)
    assert np.allclose(matcher.members.templates, [EAST, NORTH])
    assert np.allclose(matcher.controls.templates, [UP, (EAST + UP) / 2**0.5])
    assert matcher.members.identities.tolist() == ["a", "b"]
    assert matcher.known_members == {"a"}


def test_the_threshold_by_hand() -> None:
    """Of 80 comparisons 5 % are four: non-members at 0°, 4°, 8° and 12° from b reach it, the one at 16° just not."""
    threshold = make_matcher(_people(), 0.05).threshold
    assert np.cos(np.deg2rad(16)) < threshold <= np.cos(np.deg2rad(12))
    assert threshold == pytest.approx(np.cos(np.deg2rad(16)), abs=1e-6)


def test_the_threshold_does_not_depend_on_which_gallery_is_called_member() -> None:
    swapped = _people().replace({"role": {"same_identity": "unseen_identity", "unseen_identity": "same_identity"}})
    assert make_matcher(swapped, 0.05).threshold == make_matcher(_people(), 0.05).threshold


def test_galleries_are_cut_to_the_same_size() -> None:
    more = pd.DataFrame(_rows("unseen_identity", "e", -UP) + _rows("unseen_identity", "f", -EAST))
    matcher = make_matcher(pd.concat([_people(), more]), 0.05)
    assert len(matcher.members) == len(matcher.controls) == 2
    assert matcher.controls.identities.tolist() == ["c", "f"]


def test_a_lax_judge_matches_any_single_image() -> None:
    matcher, lax = make_matcher(_people(), 0.05), make_lax_matcher(_people(), 0.05)
    image = pd.DataFrame(_rows("same_identity", "b", UP))  # one of b's images shows what none of the others does
    with_image = make_lax_matcher(pd.concat([_people(), image]), 0.05)
    assert np.allclose(lax.members.similarities(UP[None]), matcher.members.similarities(UP[None]))
    assert with_image.members.similarities(UP[None]).tolist() == [[0, 1]]
    assert make_matcher(pd.concat([_people(), image]), 0.05).members.similarities(UP[None])[0, 1] < 0.8


def test_a_panel_names_who_resembles_the_target() -> None:
    panel = make_panel({"one": _people(), "two": _people(), "three": _people()}, ("one", "three"), 0.05)
    assert panel.resembling == ("two",)
    assert panel.matchers["one"].threshold == make_matcher(_people(), 0.05).threshold


def test_too_few_comparisons_for_the_rate_are_refused() -> None:
    with pytest.raises(MetricError):
        make_matcher(_people(), 0.001)


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
def test_a_match_is_nearest_for_every_judge_and_more_judges_never_match_more(seed: int, matchers: int) -> None:
    generator = np.random.default_rng(seed)
    galleries = [build_gallery(generator.normal(size=(6, 4)), np.arange(6)) for _ in range(matchers)]
    embeddings = [generator.normal(size=(30, 4)) for _ in range(matchers)]
    thresholds = generator.uniform(-0.2, 0.6, matchers)
    found = find_people(embeddings, galleries, thresholds)
    for of_matcher, gallery, threshold in zip(embeddings, galleries, thresholds, strict=True):
        cosines = gallery.similarities(of_matcher)[found.matches]
        assert (cosines.argmax(1) == found.person[found.matches]).all()
        assert (cosines.max(1) >= threshold).all()
        alone = find_people([of_matcher], [gallery], [threshold])
        assert (alone.matches | ~found.matches).all()
        assert (alone.person == gallery.similarities(of_matcher).argmax(1)).all()


def test_judges_with_different_people_are_refused() -> None:
    others = Gallery(AXES[:2], np.array(["a", "c"]))
    with pytest.raises(MetricError, match="different people"):
        find_people([AXES, AXES], [PEOPLE, others], [0.5, 0.5])
