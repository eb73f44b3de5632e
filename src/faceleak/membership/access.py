"""What an attacker has to hold for an attack: the head, the backbone's weights, or only what it answers to images.

A headless release keeps the classification head back, so what an attack finds with it is an upper bound: it stands
apart from the attacks, under a stage of metrics of its own, and decides nothing.
"""

from collections.abc import Mapping
from typing import Literal

from faceleak.membership.attackers import variant_and_undoing
from faceleak.membership.options import AttackOptions
from faceleak.signals import registry as signals
from faceleak.undoing import registry as undoings

AttackAccess = Literal["head", "weights", "embeddings"]
MEMBERSHIP = "membership"
UPPER_BOUND = "upper_bound"


def access_of(attack: AttackOptions) -> AttackAccess:
    """The access that the most demanding signal of the attack takes: the head, then weights, then embeddings."""
    accesses = {signals.get(name).access for name in attack.signals_read()}
    if "head" in accesses:
        return "head"
    return "weights" if "weights" in accesses else "embeddings"


def stage_of(attack: AttackOptions) -> str:
    """The stage of metrics where the attack's results stand: `upper_bound` if it takes the head, else `membership`."""
    return UPPER_BOUND if access_of(attack) == "head" else MEMBERSHIP


def upper_bounds(attacks: Mapping[str, AttackOptions]) -> list[str]:
    """The names of the attacks that take the head."""
    return [name for name, attack in attacks.items() if stage_of(attack) == UPPER_BOUND]


def may_look_at(attack: AttackOptions, view: str) -> bool:
    """Whether the access that the attack takes is enough for the undoing that makes the view.

    Whoever holds the head is taken to hold the weights as well.
    """
    _, undoing = variant_and_undoing(view)
    return not undoing or undoings.get(undoing).ACCESS == "embeddings" or access_of(attack) != "embeddings"
