"""Whose each array is that reconstruction hands on: a record of fields, and the name that it has in a file.

Files are named by the records; nobody takes a name apart.
"""

from typing import Any, NamedTuple

from numpy.typing import NDArray

from faceleak.membership.attackers import AttackerName, evaluation_name

Array = NDArray[Any]  # numbers of any kind: pixels are whole ones

CLASS_CENTERS, HEAD_GIVEN, CEILING = "class_centers", "head_given", "ceiling"
BESIDE = (CLASS_CENTERS, HEAD_GIVEN, CEILING)  # steps that stand beside those of a search: see `beside` and `bounds`
INTENDED = "intended"  # the part that says whom the faces of a step are meant to show


class SearchStep(NamedTuple):
    """One step of one attacker's search in one variant."""

    variant: str
    attacker: AttackerName
    step: str


class ReconstructionArray(NamedTuple):
    """What such a step found: its `latents`, `pixels`, `scores`, `maximize` or `intended`."""

    variant: str
    attacker: AttackerName
    step: str
    part: str

    @property
    def found_at(self) -> SearchStep:
        """The step."""
        return SearchStep(self.variant, self.attacker, self.step)

    @property
    def name(self) -> str:
        """`<evaluation>/<step>/<part>`."""
        return f"{evaluation_name(self.variant, self.attacker)}/{self.step}/{self.part}"


class ReconstructionEmbeddings(NamedTuple):
    """What one evaluator makes of the faces of such a step."""

    evaluator: str
    variant: str
    attacker: AttackerName
    step: str

    @property
    def found_at(self) -> SearchStep:
        """The step."""
        return SearchStep(self.variant, self.attacker, self.step)

    @property
    def name(self) -> str:
        """`<evaluator>/<evaluation>/<step>`."""
        return f"{self.evaluator}/{evaluation_name(self.variant, self.attacker)}/{self.step}"


class MethodArray(NamedTuple):
    """What one method made of embeddings or images that leaked: `latents`, `pixels` or `scores`."""

    method: str
    part: str

    @property
    def name(self) -> str:
        """`<method>/<part>`."""
        return f"{self.method}/{self.part}"


class ComparedArray(NamedTuple):
    """What a step of one of several searches in the target found: `latents`, `pixels`, `scores` or `maximize`."""

    search: str
    step: str
    part: str

    @property
    def name(self) -> str:
        """`<search>/<step>/<part>`."""
        return f"{self.search}/{self.step}/{self.part}"
