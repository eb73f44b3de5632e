"""Configuration of the `plan` pipeline."""

from pydantic import Field, model_validator

from faceleak.common.errors import FaceleakError
from faceleak.common.options import Options


class PlanError(FaceleakError):
    """Something is missing that the costs of an audit depend on."""


class RateOptions(Options):
    """A rate that is stated instead of measured here.

    per_second: units a second of one worker. memory_gb: memory of that worker. source: where the figure is from.
    """

    per_second: float = Field(gt=0)
    memory_gb: float = Field(0, ge=0)
    source: str = Field(min_length=1)


class PlanOptions(Options):
    """The whole `plan` block.

    people, images: how many the source holds, where it is not packed yet and does not say so itself. rates: by the
    name of what they are about, as a plan lists them. free_disk_gb, free_memory_gb: of the machine that the audit is
    to run on, where that is not this one.
    """

    people: int | None = Field(None, ge=2)
    images: int | None = Field(None, ge=2)
    rates: dict[str, RateOptions] = Field(default_factory=dict)
    free_disk_gb: float | None = Field(None, gt=0)
    free_memory_gb: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _count_both(self) -> "PlanOptions":
        if (self.people is None) != (self.images is None):
            raise ValueError("`people` and `images` belong together: give both, or neither")
        return self
