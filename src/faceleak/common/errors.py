"""The base of every error that a user can mend: the command line shows its message without a stack trace."""


class FaceleakError(ValueError):
    """What was found, why it matters and what to do about it, in one message."""
