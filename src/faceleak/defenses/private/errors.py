"""Why a claim of privacy is refused: one class a reason."""

from faceleak.defenses.owner import DefenseError


class ClaimError(DefenseError):
    """Training is over, or could begin, but its ε would not be true: nothing is released."""


class BufferMovedError(ClaimError):
    """A released buffer was computed on private data, without clipping and noise."""


class SamplingError(ClaimError):
    """Units were not drawn as the accountant assumes."""


class PrivateStartError(ClaimError):
    """The start of private training has seen the private data already."""


class PrivateTrainingError(DefenseError):
    """Private training cannot be set up as asked, or has failed."""
