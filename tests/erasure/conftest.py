"""The owner of the defenses' tests, asked to forget two of the five people on whom the target was trained."""

import pytest

from faceleak.defenses.owner import Owner
from faceleak.erasure.request import Request
from tests.defenses.conftest import one_thread, own, owner, owner_of, training

__all__ = ["one_thread", "own", "owner", "owner_of", "training"]


@pytest.fixture
def request_(owner: Owner) -> Request:
    """The first and the fourth person ask to be forgotten."""
    assert owner.training is not None
    people = sorted(owner.training.images["identity"].unique())
    return Request(owner, owner.training.images, frozenset([people[0], people[3]]))
