import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from faceleak.backbones.head import Head
from faceleak.common.errors import FaceleakError
from faceleak.signals import EmbeddedImages, head_loss
from faceleak.signals.head_loss import COLUMNS, NoHeadError, compare

NOBODY = np.empty((0, 2), np.float32)


def unit(*shape: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=shape)
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def test_two_classes_by_hand():
    head = Head(torch.tensor([[3.0, 0.0], [0.0, 0.5]]), ("a", "b"), 2.0)
    embeddings = np.array([[1, 0], [1, 0], [0.6, 0.8], [0.6, 0.8]], np.float32)
    rows = compare(EmbeddedImages(embeddings, np.array(["a", "b", "a", "non-member"]), NOBODY, head))
    # logits 2 and 0, then 1.2 and 1.6
    smallest = [math.log(1 + math.exp(-2))] * 2 + [math.log(1 + math.exp(-0.4))] * 2
    np.testing.assert_allclose(rows[:, COLUMNS.index("smallest")], smallest, rtol=1e-5)


@pytest.mark.parametrize("logits", [1, 23, 50, 1 << 22])
def test_it_agrees_with_cross_entropy_whatever_the_size_of_a_block(logits, monkeypatch):
    monkeypatch.setattr(head_loss, "LOGITS", logits)
    head = Head(torch.randn(23, 6, generator=torch.Generator().manual_seed(0)), tuple(map(str, range(23))), 16.0)
    embeddings, identities = unit(30, 6), np.arange(30)
    rows = compare(EmbeddedImages(embeddings, identities, NOBODY, head))
    logits_of = 16 * torch.from_numpy(embeddings).double() @ functional.normalize(head.weight.double()).T
    losses = torch.stack(
        [functional.cross_entropy(logits_of, torch.full((30,), i), reduction="none") for i in range(23)]
    )
    smallest = losses.min(0).values
    np.testing.assert_allclose(rows[:, 0], smallest, rtol=1e-4)


def test_to_be_listed_in_the_head_changes_nothing():
    head = Head(torch.from_numpy(unit(5, 8, seed=1)), ("a", "b", "c", "d", "e"), 30.0)
    embeddings = np.repeat(unit(10, 8), 2, axis=0)
    rows = compare(EmbeddedImages(embeddings, np.array(["a", "nobody"] * 10), NOBODY, head))
    np.testing.assert_array_equal(rows[::2], rows[1::2])


def test_losses_far_below_the_rounding_of_a_logit_still_differ():
    head = Head(torch.eye(4), ("a", "b", "c", "d"), 64.0)
    angles = np.linspace(0, 0.3, 20)
    embeddings = np.column_stack([np.cos(angles), np.sin(angles), np.zeros((20, 2))]).astype(np.float32)
    losses = compare(EmbeddedImages(embeddings, np.full(20, "a"), np.empty((0, 4), np.float32), head))[:, 0]
    assert (losses > 0).all()
    assert (np.diff(losses) > 0).all()
    assert losses[0] < 1e-20


def test_one_class_has_no_loss_to_speak_of():
    head = Head(torch.ones(1, 3), ("a",), 64.0)
    np.testing.assert_array_equal(compare(EmbeddedImages(unit(4, 3), np.full(4, "b"), NOBODY, head)), 0)


def test_without_a_head_there_is_no_loss():
    with pytest.raises(NoHeadError, match="this backbone has none") as error:
        compare(EmbeddedImages(unit(3, 5), np.arange(3), NOBODY))
    assert isinstance(error.value, FaceleakError)
