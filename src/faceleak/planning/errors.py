"""What a plan cannot be made of."""

from faceleak.errors import FaceleakError


class PlanError(FaceleakError):
    """Something is missing that the costs of an audit depend on."""
