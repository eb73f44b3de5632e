"""The base of all configuration models: unknown keys are refused, values are not changed after validation."""

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A block of the configuration. Fields without a default must be given in `conf/`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
