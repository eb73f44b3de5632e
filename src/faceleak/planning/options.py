"""Configuration of the `plan` pipeline."""

from pydantic import Field, model_validator

from faceleak.common.errors import FaceleakError
from faceleak.common.options import Options


class PlanError(FaceleakError):
    """Something is missing that the costs of an audit depend on."""


class RateOptions(Options):
    """A rate that is stated instead of measured here."""

    per_second: float = Field(gt=0)
    """Units a second of one worker."""
    memory_gb: float = Field(0, ge=0)
    """Memory of that worker, in GB."""
    source: str = Field(min_length=1)
    """Where the figure is from."""


class PlanOptions(Options):
    """The whole `plan` block."""

    people: int | None = Field(None, ge=2)
    """How many people the source holds, if it is not packed yet and does not say so itself; with `images`."""
    images: int | None = Field(None, ge=2)
    """How many images the source holds, if it is not packed yet and does not say so itself; with `people`."""
    rates: dict[str, RateOptions] = Field(default_factory=dict)
    """Rates by the name of what they are about, as a plan lists them."""
    free_disk_gb: float | None = Field(None, gt=0)
    """Free disk space, in GB, of the machine that the audit is to run on, if that is not this one."""
    free_memory_gb: float | None = Field(None, gt=0)
    """Free memory, in GB, of the machine that the audit is to run on, if that is not this one."""

    @model_validator(mode="after")
    def _count_both(self) -> "PlanOptions":
        if (self.people is None) != (self.images is None):
            raise ValueError("`people` and `images` belong together: give both, or neither")
        return self
