import numpy as np
import pytest

from faceleak.metrics.gallery import build_gallery, build_image_gallery, match_threshold
from faceleak.metrics.roc import MetricError


def test_a_template_is_the_normalised_mean_of_normalised_embeddings():
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
    strangers = generator.normal(size=(500, 16))
    threshold = match_threshold(strangers, [gallery], far=0.001)
    cosines = strangers / np.linalg.norm(strangers, axis=1, keepdims=True) @ gallery.templates.T
    assert (cosines >= threshold).sum() == 10  # of 10,000 comparisons
    with pytest.raises(MetricError, match="at least 1000"):
        match_threshold(strangers[:49], [gallery], far=0.001)
