"""The base of all configuration models: unknown keys are refused, values are not changed after validation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A block of the configuration. Fields without a default must be given in `conf/`."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class TrackingOptions(Options):
    """What MLflow is told besides parameters and metrics. `system_metrics`: how busy the machine is."""

    system_metrics: bool = True


Aggregation = Literal["mean", "max", "log_sum_exp", "median"]  # of the scores of a person's images
