import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceleak.common.errors import FaceleakError
from faceleak.signals import EmbeddedImages, anchor_similarity
from faceleak.signals.anchor_similarity import COLUMNS, QUANTILES, NoAnchorsError, compare


def unit(*shape: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_two_anchors_by_hand():
    anchors = np.array([[1, 0], [0.6, 0.8]], np.float32)
    (row,) = compare(EmbeddedImages(np.array([[0, 1]], np.float32), np.array(["a"]), anchors))
    found = dict(zip(COLUMNS, row, strict=True))  # cosines 0 and 0.8
    assert found["mean"] == found["std"] == pytest.approx(0.4)
    assert found["quantile_0.25"] == pytest.approx(0.2)
    assert found["quantile_1.0"] == pytest.approx(0.8)
    assert len(found) == 11


@pytest.mark.parametrize("rows", [1, 4, 7, 4096])
def test_it_agrees_with_each_cosine_by_itself_whatever_the_size_of_a_block(rows, monkeypatch):
    monkeypatch.setattr(anchor_similarity, "ROWS", rows)
    embeddings, anchors = unit(7, 5, seed=0), unit(23, 5, seed=1)
    found = compare(EmbeddedImages(embeddings, np.arange(7), anchors))
    for image in range(7):
        cosines = sorted(float(np.dot(embeddings[image], anchor)) for anchor in anchors)
        np.testing.assert_allclose(found[image, :2], [np.mean(cosines), np.std(cosines)], atol=1e-6)
        assert found[image, COLUMNS.index("quantile_0.5")] == pytest.approx(cosines[11], abs=1e-6)
        assert found[image, COLUMNS.index("quantile_1.0")] == pytest.approx(cosines[-1], abs=1e-6)


def test_whose_the_images_are_does_not_matter():
    embeddings, anchors = unit(4, 5, seed=0), unit(9, 5, seed=1)
    one, four = (compare(EmbeddedImages(embeddings, np.array(list(people)), anchors)) for people in ("aaaa", "abcd"))
    np.testing.assert_array_equal(one, four)


def test_without_anchors_there_is_no_distribution():
    with pytest.raises(NoAnchorsError, match="role `public`, and there are none") as error:
        compare(EmbeddedImages(unit(3, 5, seed=0), np.arange(3), np.empty((0, 5), np.float32)))
    assert isinstance(error.value, FaceleakError)


@given(st.integers(1, 60), st.integers(0, 1000))
def test_quantiles_are_those_of_numpy(anchors, seed):
    random = np.random.default_rng(seed)
    embeddings, non_members = (random.normal(size=(n, 4)).astype(np.float32) for n in (5, anchors))
    found = compare(EmbeddedImages(embeddings, np.arange(5), non_members))
    expected = np.quantile(embeddings @ non_members.T, QUANTILES, axis=1).T
    np.testing.assert_allclose(found[:, 2:], expected, rtol=1e-5, atol=1e-6)
