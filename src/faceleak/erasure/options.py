"""Configuration of the `erasure` pipeline."""

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from faceleak.bypasses import registry as bypasses
from faceleak.common.errors import FaceleakError
from faceleak.common.options import Name, Options, be_a_name, checked, settings_beside
from faceleak.erasure import registry
from faceleak.membership.options import AttackOptions

BypassName = Annotated[str, bypasses]


class ErasedOptions(Options):
    """Who is erased."""

    people: int = Field(10, ge=1)
    """How many members are drawn, of those whom the attacker does not know."""
    draws: int = Field(2, ge=1)
    """How often they are drawn anew: each draw is erased from the target by itself."""
    seed: int = Field(0, ge=0)
    """Seed of the draws."""
    identities: Annotated[list[str], Field(min_length=1)] | None = None
    """Names of members who were to be erased, as the source of the faces has them, in place of draws."""


class MethodOptions(Options):
    """One method of erasure and its settings, which are keys next to `method` in the configuration."""

    method: str
    """Name of the method's file, or the import path of your own."""
    name: str = ""
    """What results call it; without it, the name of the method."""
    seeds: int = Field(1, ge=1)
    """How often each draw of people is erased by it, each time with other chance."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the method; in the configuration they are keys next to `method`."""

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, given: Any) -> Any:
        return settings_beside(cls, given)

    @model_validator(mode="after")
    def _check_settings(self) -> "MethodOptions":
        try:
            self.checked_settings()
        except FaceleakError as error:
            raise ValueError(str(error).rstrip(".")) from error
        if not self.name:
            object.__setattr__(self, "name", re.split(r"[.:]", self.method)[-1])
        be_a_name(self.name)
        return self

    def checked_settings(self) -> Options:
        """The settings as the method's own model. Raises UnknownNameError."""
        return checked(registry.get(self.method).Settings, self.settings, self.method)


class ErasureAttacker(AttackOptions):
    """An attack on one person at a time; a person's score is the mean over the person's images."""

    bypass: BypassName | None = None
    """What the attacker does to each backbone first, with faces of the role `public`."""

    @model_validator(mode="after")
    def _do_without_references(self) -> "ErasureAttacker":
        if self.calibration is not None:
            raise ValueError(
                "`calibration` compares with reference backbones, which saw the people whom scores are calibrated on "
                "here; leave it out"
            )
        return self


class ErasureOptions(Options):
    """The whole `erasure` block."""

    erased: ErasedOptions = ErasedOptions()
    """Who is erased."""
    methods: list[MethodOptions] = Field(min_length=1)
    """By which methods."""
    gold: Name | None = None
    """Name of the method whose backbones never saw the erased people: what the others are compared with."""
    attackers: dict[Name, ErasureAttacker] = Field(min_length=1)
    """Attacks by name; the first one decides verdicts, and the others are shown beside it."""
    calibrated_on: list[Literal["unseen_identity", "auxiliary"]] = Field(["unseen_identity", "auxiliary"], min_length=1)
    """Roles of the people, whom the target never saw, by whom the false-positive rate is set."""
    images_per_person: int = Field(10, ge=2)
    """By how many images each person is judged at most."""
    minimum_images: int = Field(3, ge=1)
    """With fewer images, nothing is said of a person."""

    @model_validator(mode="after")
    def _name_each_method_once(self) -> "ErasureOptions":
        names = [method.name for method in self.methods]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"methods occur twice: {', '.join(sorted(repeated))}; give one of them a name of its own")
        if self.gold is not None and self.gold not in names:
            raise ValueError(f"gold is {self.gold!r}, but methods has {', '.join(names)}")
        return self
