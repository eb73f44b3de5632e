"""Attackers, views of a variant, and evaluations: one attacker against one variant.

A *view* is a backbone as an attacker looks at it: a variant as it was released, or one whose defense the attacker has
bypassed. The *static* attacker fits on the undefended target and does not know of a defense; the
*refitted* one fits on the variant; the *adaptive* one tries all views of a variant and takes, for each attack, the one
that is best on its own people. *plain* is the attacker if no defense is judged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import pandas as pd

from faceleak.common.errors import FaceleakError

AttackerName = Literal["plain", "static", "refitted", "adaptive"]
UNDEFENDED = "undefended"


class UnknownViewError(FaceleakError):
    """A table of signals does not say what they were read off."""


class View(NamedTuple):
    """A variant as an attacker looks at it; `bypass` is empty if it is taken as it was released."""

    variant: str
    bypass: str = ""

    @property
    def name(self) -> str:
        """`<variant>` or `<variant>+<bypass>`, as files and tables name it."""
        return f"{self.variant}+{self.bypass}" if self.bypass else self.variant


TARGET_VIEW = View(UNDEFENDED)
VIEW = list(View._fields)  # columns of a table of signals


@dataclass(frozen=True)
class Evaluation:
    """One attacker against one variant: the attack is fitted on `fitted_on` and reads its signals off `view`."""

    attacker: AttackerName
    fitted_on: View
    view: View

    @property
    def variant(self) -> str:
        """The variant that is attacked."""
        return self.view.variant


def suffix_of(attacker: str) -> str:
    """What an attacker adds to the attack's name in metrics; nothing if no defense is judged."""
    return "" if attacker == "plain" else f"_{attacker}"


SUFFIXES = tuple(suffix for attacker in get_args(AttackerName) if (suffix := suffix_of(attacker)))


def evaluation_name(variant: str, attacker: AttackerName) -> str:
    """Variant and attacker as files and tables name them."""
    return f"{variant}{suffix_of(attacker)}"


def name_of_variant(name: str) -> str:
    """The name, if a variant can have it. Raises ValueError otherwise."""
    if name == UNDEFENDED or any(name.endswith(suffix) and name != suffix for suffix in SUFFIXES):
        raise ValueError(
            f"{name!r} cannot be the name of a variant: `{UNDEFENDED}` is the target's own, and an end like `_static` "
            "says who attacks it"
        )
    return name


def views_of(signals: pd.DataFrame) -> dict[View, pd.DataFrame]:
    """The rows of a table of signals, by the view that they were read off. Raises UnknownViewError."""
    if not set(VIEW) <= set(signals.columns):
        raise UnknownViewError(
            f"The signals have no columns {' and '.join(VIEW)}, which say what they were read off: an earlier faceleak "
            "wrote them. Run the pipeline that reads them again."
        )
    return {View(*map(str, key)): rows for key, rows in signals.groupby(VIEW, sort=False)}


def evaluations(views: Iterable[View], attackers: Iterable[AttackerName]) -> list[list[Evaluation]]:
    """Every attacker against every variant: all that the attacker may try there, one evaluation at least."""
    of_variant: dict[str, list[View]] = {}
    for view in views:
        of_variant.setdefault(view.variant, []).append(view)
    attackers = list(attackers)
    return [_tries(View(variant), attacker, of_variant[variant]) for variant in of_variant for attacker in attackers]


def _tries(released: View, attacker: AttackerName, views: list[View]) -> list[Evaluation]:
    if attacker == "static":
        return [Evaluation(attacker, TARGET_VIEW, released)]
    if attacker == "adaptive":
        return [Evaluation(attacker, view, view) for view in views]
    return [Evaluation(attacker, released, released)]
