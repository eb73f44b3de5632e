"""What can be wrong with a prior that the user can mend."""

from faceleak.common.errors import FaceleakError


class PriorError(FaceleakError):
    """A prior's files are missing, damaged, unsafe or of an architecture that is not known, or its network misfits."""
