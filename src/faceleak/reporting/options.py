"""Configuration of the `report` and `gate` pipelines."""

from pydantic import Field, field_validator, model_validator

from faceleak.common.options import Options
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.views import UPPER_BOUND


class ReportOptions(Options):
    """The report."""

    show_people: bool = True
    """Whether faces and names are shown. Without them the report can be passed on."""


class PolicyOptions(Options):
    """What a number of the audit must not exceed, or must reach, before the model is released, and why."""

    metric: str = Field(min_length=1)
    """The number, as in MLflow: `<stage>/<attack>/<population>/<metric>`. Upper bounds decide nothing."""
    variant: str = UNDEFENDED
    """Which backbone is released."""
    at_most: float | None = None
    """A limit that is itself allowed; this one or `at_least` has to be given."""
    at_least: float | None = None
    """A limit that is itself allowed; this one or `at_most` has to be given."""
    reason: str = Field(min_length=1)
    """What people read if the policy is violated."""

    @field_validator("metric")
    @classmethod
    def _be_of_a_headless_release(cls, metric: str) -> str:
        if metric.startswith(f"{UPPER_BOUND}/"):
            raise ValueError("an upper bound takes the classification head and decides nothing: name another metric")
        return metric

    @model_validator(mode="after")
    def _set_a_limit(self) -> "PolicyOptions":
        if self.at_most is None and self.at_least is None:
            raise ValueError("a policy needs `at_most` or `at_least`")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(f"no number is at least {self.at_least:g} and at most {self.at_most:g}")
        return self


class GateOptions(Options):
    """The whole `gate` block."""

    policies: list[PolicyOptions] = Field(min_length=1)
    """What numbers have to be; all policies have to hold."""
