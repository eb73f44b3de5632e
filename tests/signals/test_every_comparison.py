"""What every comparison with other images must keep, whichever file of the room it is."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from faceleak.backbones.head import Head
from faceleak.common.errors import FaceleakError
from faceleak.signals import Comparison, EmbeddedImages, registry

NAMES = [name for name in registry.names() if isinstance(registry.get(name), Comparison)]
PEOPLE = np.array(["d", "b", "a", "b", "c", "a", "b", "d", "a", "c", "a"])


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(params=NAMES)
def comparison(request) -> Comparison:
    return registry.get(request.param)


@pytest.fixture
def embedded() -> EmbeddedImages:
    """Eleven images of four people, 30 anchors, and a head that knows two of the people and a third."""
    head = Head(torch.from_numpy(unit(3, 8, seed=3)), ("c", "x", "a"), 8.0)
    return EmbeddedImages(unit(11, 8), PEOPLE, unit(30, 8, seed=1), head)


def rows_of(embedded: EmbeddedImages, rows: np.ndarray) -> EmbeddedImages:
    return replace(embedded, embeddings=embedded.embeddings[rows], identities=embedded.identities[rows])


def test_every_image_gets_a_row_of_finite_numbers_with_names_of_their_own(comparison, embedded):
    rows = comparison.compare(embedded)
    assert rows.shape == (11, len(comparison.columns))
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert len(set(comparison.columns)) == len(comparison.columns)
    assert len(np.unique(rows, axis=0)) > 5


def test_it_reads_embeddings_and_the_head_only_where_it_says_so(comparison, embedded):
    without = replace(embedded, head=None)
    if comparison.access == "embeddings":
        np.testing.assert_array_equal(comparison.compare(without), comparison.compare(embedded))
    else:
        assert comparison.access == "head"
        with pytest.raises(FaceleakError):
            comparison.compare(without)


def test_what_is_handed_in_stays_as_it_came(comparison, embedded):
    parts = embedded.embeddings, embedded.identities, embedded.anchors, embedded.head.weight.numpy()
    before = [values.copy() for values in parts]
    comparison.compare(embedded)
    for values, as_before in zip(parts, before, strict=True):
        np.testing.assert_array_equal(values, as_before)


def test_the_order_of_people_and_their_names_do_not_matter(comparison, embedded):
    blocks = np.concatenate([np.flatnonzero(person == PEOPLE) for person in "cadb"])
    names = {"a": 3, "b": 1, "c": 7, "d": 2, "x": 5}
    renamed = replace(
        rows_of(embedded, blocks),
        identities=np.array([names[person] for person in PEOPLE[blocks]]),
        head=replace(embedded.head, identities=tuple(str(names[person]) for person in embedded.head.identities)),
    )
    np.testing.assert_allclose(comparison.compare(renamed), comparison.compare(embedded)[blocks], atol=1e-6)


def test_other_people_in_the_table_do_not_matter(comparison, embedded):
    mine = np.isin(PEOPLE, ["a", "c"])
    alone = comparison.compare(rows_of(embedded, mine))
    np.testing.assert_allclose(comparison.compare(embedded)[mine], alone, atol=1e-6)


def test_turning_the_whole_space_changes_nothing(comparison, embedded):
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(8, 8)))[0].astype(np.float32)
    turned = replace(
        embedded,
        embeddings=embedded.embeddings @ turn,
        anchors=embedded.anchors @ turn,
        head=replace(embedded.head, weight=embedded.head.weight @ torch.from_numpy(turn)),
    )
    np.testing.assert_allclose(comparison.compare(turned), comparison.compare(embedded), atol=1e-5)
