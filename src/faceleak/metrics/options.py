"""Configuration of intervals."""

from pydantic import Field

from faceleak.common.options import Options


class BootstrapOptions(Options):
    """How intervals are made.

    `resamples`: how often people are drawn anew. `level`: of confidence. `seed`: of the draws.
    """

    resamples: int = Field(1000, ge=100)
    level: float = Field(0.95, gt=0, lt=1)
    seed: int = Field(0, ge=0)
