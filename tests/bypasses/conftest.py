"""The owner and the attacker of the defenses' tests."""

from tests.defenses.conftest import one_thread, own, owner, owner_of, training

__all__ = ["one_thread", "own", "owner", "owner_of", "training"]
