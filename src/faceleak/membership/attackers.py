"""Who attacks which variant, and what they know of the defense.

A *view* is a backbone as an attacker looks at it: a variant as it was released, or `<variant>+<undoing>`, one whose
defense the attacker has undone. The *static* attacker fits on the undefended target and does not know of a defense; the
*refitted* one fits on the variant; the *adaptive* one tries all views of a variant and takes, for each attack, the one
that is best on its own people. *plain* is the attacker where no defense is judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

AttackerName = Literal["plain", "static", "refitted", "adaptive"]
UNDEFENDED = "undefended"


@dataclass(frozen=True)
class Encounter:
    """One attacker against one variant: the attack is fitted on `fitted_on` and reads its signals off `view`."""

    variant: str
    attacker: AttackerName
    fitted_on: str
    view: str


def suffix_of(attacker: str) -> str:
    """What an attacker adds to the attack's name in metrics; nothing where no defense is judged."""
    return "" if attacker == "plain" else f"_{attacker}"


SUFFIXES = tuple(suffix for attacker in get_args(AttackerName) if (suffix := suffix_of(attacker)))


def encounter_name(variant: str, attacker: AttackerName) -> str:
    """Variant and attacker as files and tables name them."""
    return f"{variant}{suffix_of(attacker)}"


def undone_view(variant: str, undoing: str) -> str:
    """Name of the view that an undoing makes of a variant."""
    return f"{variant}+{undoing}"


def variant_and_undoing(view: str) -> tuple[str, str]:
    """The inverse of `undone_view`; no undoing is empty text."""
    variant, _, undoing = view.partition("+")
    return variant, undoing


def name_of_variant(name: str) -> str:
    """The name, if a variant can have it. Raises ValueError otherwise."""
    if name == UNDEFENDED or any(name.endswith(suffix) and name != suffix for suffix in SUFFIXES):
        raise ValueError(
            f"{name!r} cannot be the name of a variant: `{UNDEFENDED}` is the target's own, and an end like `_static` "
            "says who attacks it"
        )
    return name


def encounters(views: Iterable[str], attackers: Iterable[AttackerName]) -> list[list[Encounter]]:
    """Every attacker against every variant: all that the attacker may try there, one encounter at least."""
    of_variant: dict[str, list[str]] = {}
    for view in views:
        of_variant.setdefault(variant_and_undoing(view)[0], []).append(view)
    attackers = list(attackers)
    return [_tries(variant, attacker, of_variant[variant]) for variant in of_variant for attacker in attackers]


def _tries(variant: str, attacker: AttackerName, views: list[str]) -> list[Encounter]:
    if attacker == "static":
        return [Encounter(variant, attacker, UNDEFENDED, variant)]
    if attacker == "adaptive":
        return [Encounter(variant, attacker, view, view) for view in views]
    return [Encounter(variant, attacker, variant, variant)]
