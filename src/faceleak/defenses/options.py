"""Configuration of the `defense` pipeline."""

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from faceleak.bypasses import registry as bypasses
from faceleak.common.errors import FaceleakError
from faceleak.common.named import UnknownNameError
from faceleak.common.options import Options, be_a_name, checked, settings_beside
from faceleak.defenses import registry
from faceleak.membership.attackers import AttackerName, name_of_variant
from faceleak.membership.options import ThreatModel

FORMER = {  # defenses that have another spelling now
    "group_norm": "`defense: retraining` with `normalization: group`",
    "bn_clipping": "`defense: bn_statistics` with `kind: clipping` and `width`",
    "bn_quantisation": "`defense: bn_statistics` with `kind: quantization` and `bits`",
    "bn_shrinkage": "`defense: bn_statistics` with `kind: shrinkage` and `share`",
    "bn_reestimation": "`defense: bn_statistics` with `kind: reestimation`",
}


class VariantOptions(Options):
    """One variant: a defense and its settings, which are keys next to `defense` in the configuration."""

    defense: str
    """Name of the defense's file, or the import path of your own."""
    name: str = ""
    """What the variant is called; without it, after the defense and the settings that differ from their defaults."""
    seed: int = 0
    """Seed of what the defense draws."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Settings of the defense; in the configuration they are keys next to `defense`."""

    @model_validator(mode="before")
    @classmethod
    def _gather_settings(cls, given: Any) -> Any:
        return settings_beside(cls, given)

    @model_validator(mode="after")
    def _check_settings(self) -> "VariantOptions":
        try:
            settings = self.checked_settings()
            self._check_bypasses()
        except FaceleakError as error:
            raise ValueError(str(error).rstrip(".")) from error
        if not self.name:
            changed = settings.model_dump(exclude_defaults=True) or {}
            parts = [re.split(r"[.:]", self.defense)[-1], *(_short(key, value) for key, value in changed.items())]
            object.__setattr__(self, "name", re.sub(r"[^\w.-]+", "_", "_".join(parts)).strip("."))
        name_of_variant(be_a_name(self.name))
        return self

    def checked_settings(self) -> Options:
        """The settings as the defense's own model. Raises UnknownNameError."""
        if self.defense in FORMER:
            raise UnknownNameError(
                f"There is no defense {self.defense!r} any more: write {FORMER[self.defense]}, and `name` beside it "
                "where the variant's name has to stay as it was."
            )
        return checked(registry.get(self.defense).Settings, self.settings, self.defense)

    def _check_bypasses(self) -> None:
        """Raise UnknownNameError unless what the defense names as its bypasses is there, and a bypass."""
        for name in registry.get(self.defense).BYPASSES:
            problem = "cannot be found"
            try:
                bypasses.module(name)
                problem = "cannot be used"
                bypasses.get_own(name)
            except FaceleakError as error:
                raise UnknownNameError(
                    f"BYPASSES of {self.defense} names {name!r}, which {problem}: {error}"
                ) from error


def _short(key: str, value: Any) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if key in ("strength", "share") else f"{key}_{text}"


class GoalOptions(Options):
    """What a defense has to reach, and what it may cost."""

    metric: Literal["tpr_at_fpr_1pct", "attack_auc"] = "tpr_at_fpr_1pct"
    """Metric of the strongest attacker that counts."""
    at_most: float = Field(0.05, ge=0, le=1)
    """Largest value of `metric` that reaches the goal."""
    utility_loss: float = Field(0.01, ge=0, le=1)
    """Verification AUC that the defense may cost."""


class DefenseOptions(Options):
    """The whole `defense` block."""

    variants: list[VariantOptions] = Field(min_length=1)
    """Defenses with their settings."""
    attackers: list[AttackerName] = Field(min_length=1)
    """Who attacks each variant."""
    threat_models: list[ThreatModel] = Field(["partial_knowledge"], min_length=1)
    """What attackers have; with `shadow`, each of the attacker's reference backbones is defended and bypassed as each
    variant.
    """
    bypass_images: int = Field(1000, ge=2)
    """How many faces of its own the adaptive attacker uses."""
    reconstruction_attackers: list[AttackerName] = Field(["static", "adaptive"], min_length=1)
    """Who draws faces out of each variant."""
    reconstruction_rounds: int = Field(2, ge=1)
    """Rounds of that search, which is shorter than that of `attack`."""
    goal: GoalOptions = GoalOptions()
    """What a defense has to reach."""

    @model_validator(mode="after")
    def _name_each_variant_once(self) -> "DefenseOptions":
        names = [variant.name for variant in self.variants]
        if repeated := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"variants occur twice: {', '.join(sorted(repeated))}; give one of them a name of its own")
        return self
