"""The people who were found in reconstructions of the target."""

import pandas as pd

from faceleak.membership.attackers import UNDEFENDED
from faceleak.reporting.audit.evidence import Evidence


def hits_of_target(evidence: Evidence) -> pd.DataFrame | None:
    """One row a step and member that was found on the undefended target; None where nobody listed them."""
    hits = evidence.files.table("hits.csv")
    if hits is None:
        return None
    return hits[hits["encounter"] == UNDEFENDED].drop(columns="encounter")
