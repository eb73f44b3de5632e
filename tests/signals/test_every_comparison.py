"""What every comparison with other images must keep, whichever file of the room it is."""

import numpy as np
import pytest

from faceleak.signals import registry
from faceleak.signals.registry import Comparison

NAMES = [name for name in registry.names() if isinstance(registry.get(name), Comparison)]
PEOPLE = np.array(["d", "b", "a", "b", "c", "a", "b", "d", "a", "c", "a"])


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=NAMES)
def comparison(request) -> Comparison:
    return registry.get(request.param)


@pytest.fixture
def anchors() -> np.ndarray:
    return unit(30, 8, seed=1)


def test_every_image_gets_a_row_of_finite_numbers_with_names_of_their_own(comparison, anchors):
    rows = comparison.compare(unit(11, 8), PEOPLE, anchors)
    assert rows.shape == (11, len(comparison.columns))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert len(set(comparison.columns)) == len(comparison.columns)
    assert len(np.unique(rows, axis=0)) > 5


def test_it_reads_embeddings_only(comparison):
    assert comparison.access == "embeddings"


def test_the_inputs_stay_as_they_came(comparison, anchors):
    inputs = unit(11, 8), PEOPLE.copy(), anchors
    before = [values.copy() for values in inputs]
    comparison.compare(*inputs)
    for values, as_before in zip(inputs, before, strict=True):
        np.testing.assert_array_equal(values, as_before)


def test_the_order_of_people_and_their_names_do_not_matter(comparison, anchors):
    embeddings = unit(11, 8)
    rows = comparison.compare(embeddings, PEOPLE, anchors)
    blocks = np.concatenate([np.flatnonzero(person == PEOPLE) for person in "cadb"])
    renamed = np.array([{"a": 3, "b": 1, "c": 7, "d": 2}[person] for person in PEOPLE[blocks]])
    np.testing.assert_allclose(comparison.compare(embeddings[blocks], renamed, anchors), rows[blocks], atol=1e-6)


def test_other_people_in_the_table_do_not_matter(comparison, anchors):
    embeddings = unit(11, 8)
    mine = np.isin(PEOPLE, ["a", "c"])
    alone = comparison.compare(embeddings[mine], PEOPLE[mine], anchors)
    np.testing.assert_allclose(comparison.compare(embeddings, PEOPLE, anchors)[mine], alone, atol=1e-6)


def test_turning_the_whole_space_changes_nothing(comparison, anchors):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0].astype(np.float32)
    rows = comparison.compare(unit(11, 8), PEOPLE, anchors)
    np.testing.assert_allclose(comparison.compare(unit(11, 8) @ turn, PEOPLE, anchors @ turn), rows, atol=1e-5)
