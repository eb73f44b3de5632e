"""Single people among the results: who was found in reconstructions, and who is at risk."""

import pandas as pd

from faceleak.membership.attackers import UNDEFENDED
from faceleak.reporting.audit.evidence import Evidence


def hits_of_target(evidence: Evidence) -> pd.DataFrame | None:
    """One row a step and member that was found on the undefended target; None where nobody listed them."""
    hits = evidence.files.table("hits.csv")
    if hits is None:
        return None
    return hits[hits["encounter"] == UNDEFENDED].drop(columns="encounter")


def people_at_risk(evidence: Evidence) -> pd.DataFrame | None:
    """One row a person who was a member, most exposed first; None where no risks were told."""
    return evidence.files.table("identity_risks.csv")
