"""Configuration of intervals."""

from pydantic import Field

from faceleak.common.options import Options


class BootstrapOptions(Options):
    """How intervals are made."""

    resamples: int = Field(1000, ge=100)
    """Number of resamples of people."""
    level: float = Field(0.95, gt=0, lt=1)
    """Level of confidence."""
    seed: int = Field(0, ge=0)
    """Seed of the draws."""
