"""What an attacker has to hold for an attack: the backbone's weights, or only what it answers to images."""

from typing import Literal

from faceleak.defenses.undoing import registry as undoings
from faceleak.membership.attackers import variant_and_undoing
from faceleak.membership.options import AttackOptions
from faceleak.signals import registry as signals

AttackAccess = Literal["weights", "embeddings"]


def access_of(attack: AttackOptions) -> AttackAccess:
    """`embeddings` where all signals of the attack are read off embeddings, `weights` otherwise."""
    accesses = {signals.get(name).access for name in attack.signals_read()}
    return "embeddings" if accesses <= {"embeddings", "nothing"} else "weights"


def may_look_at(attack: AttackOptions, view: str) -> bool:
    """Whether the access that the attack takes is enough for the undoing that makes the view."""
    _, undoing = variant_and_undoing(view)
    return not undoing or undoings.get(undoing).ACCESS == "embeddings" or access_of(attack) == "weights"
