"""Configuration of the `defense` pipeline."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from faceleak.defenses.registry import check_defense
from faceleak.membership.attackers import AttackerName
from faceleak.options import Options

DefenseName = Annotated[str, AfterValidator(check_defense)]


class VariantOptions(Options):
    """One variant: a defence at one strength (what strength means stands beside the defence)."""

    defense: DefenseName
    strength: float = Field(ge=0, allow_inf_nan=False)
    seed: int = 0

    @property
    def name(self) -> str:
        """Name of the variant in metrics, tables and figures."""
        return f"{self.defense}_{self.strength:g}"


class DefenseOptions(Options):
    """The whole `defense` block. `undoing_images` is how many faces of its own the adaptive attacker uses."""

    variants: list[VariantOptions] = Field(min_length=1)
    attackers: list[AttackerName] = Field(min_length=1)
    threat_models: list[Literal["partial_knowledge"]] = Field(["partial_knowledge"], min_length=1)
    undoing_images: int = Field(1000, ge=2)

    @model_validator(mode="after")
    def _name_each_variant_once(self) -> "DefenseOptions":
        names = [variant.name for variant in self.variants]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"variants occur twice: {', '.join(sorted(repeated))}")
        return self
