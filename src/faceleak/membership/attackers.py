"""Who attacks which variant, and what they know of the defence.

A *view* is a backbone as an attacker looks at it: a variant as it was released, or one whose defence was undone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

AttackerName = Literal["plain", "static", "refitted", "adaptive"]
UNDEFENDED = "undefended"
UNDOING = "bn_reestimation"


@dataclass(frozen=True)
class Encounter:
    """One attacker against one variant: the attack is fitted on `fitted_on` and reads its signals off `view`."""

    variant: str
    attacker: AttackerName
    fitted_on: str
    view: str

    @property
    def suffix(self) -> str:
        """What the attacker adds to the attack's name in metrics; nothing where no defence is judged."""
        return "" if self.attacker == "plain" else f"_{self.attacker}"

    @property
    def name(self) -> str:
        """Variant and attacker."""
        return f"{self.variant}{self.suffix}"


def encounter(variant: str, attacker: AttackerName) -> Encounter:
    """Say what each attacker fits on and looks at."""
    undone = f"{variant}+{UNDOING}"
    fitted_on, view = {
        "plain": (variant, variant),
        "static": (UNDEFENDED, variant),
        "refitted": (variant, variant),
        "adaptive": (undone, undone),
    }[attacker]
    return Encounter(variant, attacker, fitted_on, view)


def encounter_named(name: str) -> Encounter:
    """The encounter whose `name` this is."""
    for attacker in get_args(AttackerName):
        meeting = encounter(name.removesuffix(f"_{attacker}"), attacker)
        if meeting.suffix and meeting.name == name:
            return meeting
    return encounter(name, "plain")


def encounters(views: Iterable[str], attackers: Iterable[AttackerName]) -> list[Encounter]:
    """Every attacker against every variant among `views`."""
    variants = [view for view in views if not view.endswith(f"+{UNDOING}")]
    attackers = list(attackers)
    return [encounter(variant, attacker) for variant in variants for attacker in attackers]
