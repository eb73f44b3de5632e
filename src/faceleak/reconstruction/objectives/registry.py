"""Terms of the objective by name: the file in this room, and the key of its weight in `search.objective`."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of
from faceleak.reconstruction import objectives

if TYPE_CHECKING:
    from torch import Tensor

    from faceleak.reconstruction.guide import Guide
    from faceleak.reconstruction.objectives.sample import Sample
    from faceleak.signals.observation import Need

NOT_TERMS = frozenset({"registry", "sample", "objective"})


class UnknownTermError(FaceleakError):
    """No term of the objective has this name."""


@dataclass(frozen=True)
class Term:
    """needs: guide → what of the forward pass it reads. value: one number a face, differentiable, higher is better."""

    name: str
    needs: Callable[["Guide"], frozenset["Need"]]
    value: Callable[["Sample", "Guide"], "Tensor"]


def names() -> list[str]:
    """All terms there are."""
    return files_of(objectives, NOT_TERMS)


def check_term(name: str) -> str:
    """Return `name`, or raise UnknownTermError with the known names and the nearest one."""
    return check_name(name, "term of the objective", names(), UnknownTermError)


def get(name: str) -> Term:
    """Import the file of a term. Raises UnknownTermError."""
    module = import_module(f"faceleak.reconstruction.objectives.{check_term(name)}")
    return Term(name, module.needs, module.value)
