import tracemalloc

import numpy as np
import pytest

from faceleak.signals import EmbeddedImages
from faceleak.signals.reference_similarity import COLUMNS, COMPANIONS, compare

NOBODY = np.empty((0, 16), np.float32)


def angles(*degrees: float) -> np.ndarray:
    radians = np.deg2rad(degrees)
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def test_three_images_of_a_person_by_hand():
    rows = compare(EmbeddedImages(angles(0, 60, 90), np.array(["a", "a", "a"]), NOBODY))
    # the first image: cos 60° = 1/2 and cos 90° = 0
    assert dict(zip(COLUMNS, rows[0], strict=True)) == pytest.approx(
        {"mean": 0.25, "std": 0.25, "smallest": 0, "median": 0.25, "largest": 0.5}, abs=1e-6
    )
    assert rows[1, COLUMNS.index("largest")] == pytest.approx(np.cos(np.deg2rad(30)))


def test_a_person_with_one_image_gets_zeros():
    rows = compare(EmbeddedImages(angles(0, 10, 20), np.array(["a", "b", "a"]), NOBODY))
    np.testing.assert_array_equal(rows[1], 0)
    assert rows[0, 0] == rows[2, 0] == pytest.approx(np.cos(np.deg2rad(20)))


@pytest.mark.parametrize("number", [2, 5, 8, 9, 10, 15])
def test_companions_are_the_next_ones_around_the_corner_eight_at_most(number):
    vectors = np.random.default_rng(0).normal(size=(number, 16))
    embeddings = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = compare(EmbeddedImages(embeddings, np.full(number, "a"), NOBODY))
    for image in range(number):
        others = [(image + step) % number for step in range(1, number)][:8]
        cosines = embeddings[others].astype(float) @ embeddings[image].astype(float)
        expected = [cosines.mean(), cosines.std(), cosines.min(), np.median(cosines), cosines.max()]
        np.testing.assert_allclose(rows[image], expected, atol=1e-6)


def test_beyond_eight_companions_the_number_of_images_tells_nothing():
    """Images of a person are exchangeable: each is the person's direction and noise."""
    generator = np.random.default_rng(0)

    def rows(images: int, people: int) -> np.ndarray:
        persons = generator.normal(size=(people, 1, 16))
        vectors = (persons + generator.normal(size=(people, images, 16))).reshape(-1, 16)
        embeddings = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        return compare(EmbeddedImages(embeddings, np.repeat(np.arange(people), images), NOBODY))

    few, many = rows(COMPANIONS + 1, 1200), rows(4 * COMPANIONS, 300)
    np.testing.assert_allclose(many.mean(0), few.mean(0), atol=0.02)
    assert rows(3, 1200).mean(0)[COLUMNS.index("largest")] < few.mean(0)[COLUMNS.index("largest")] - 0.05


def test_people_with_more_images_than_others_are_compared_with_equally_many():
    """With four companions here and eight there, extremes would tell who has more images: an untrained net "leaked"."""
    generator = np.random.default_rng(0)
    images = np.repeat([10, 5], [400, 400])
    identities = np.repeat(np.arange(800), images)
    vectors = generator.normal(size=(800, 16))[identities] + generator.normal(size=(len(identities), 16))
    embeddings = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = compare(EmbeddedImages(embeddings, identities, NOBODY))
    many, few = rows[identities < 400], rows[identities >= 400]
    np.testing.assert_allclose(many.mean(0), few.mean(0), atol=0.02)
    np.testing.assert_array_equal(few, compare(EmbeddedImages(embeddings[-2000:], identities[-2000:], NOBODY)))


def test_memory_grows_with_the_images_of_a_person_and_not_with_their_square():
    def peak(images: int) -> int:
        embeddings = np.full((images, 16), 0.25, np.float32)
        tracemalloc.start()
        compare(EmbeddedImages(embeddings, np.zeros(images), NOBODY))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(8000) < 5 * peak(2000)
