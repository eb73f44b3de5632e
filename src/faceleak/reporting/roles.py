"""Who plays which part, and who decided it."""

import pandas as pd
from rich.table import Table
from rich.text import Text

from faceleak.reporting.checks import check_columns
from faceleak.reporting.style import ROLE_MEANINGS
from faceleak.reporting.tables import empty_table

DECIDERS = {"user": "stated by the user", "draw": "drawn"}


def count_roles(splits: pd.DataFrame) -> pd.DataFrame:
    """One row a role: role, people, images, known_people (to the attacker), decided_by (`DECIDERS`).

    splits: role, identity, known, decided_by. Raises ReportingError where a column is missing.
    """
    check_columns(splits, ["role", "identity", "known", "decided_by"], "splits")
    roles = splits.groupby("role")
    counts = pd.DataFrame({"people": roles["identity"].nunique(), "images": roles.size()})
    counts["known_people"] = splits[splits["known"]].groupby("role")["identity"].nunique()
    counts["decided_by"] = roles["decided_by"].agg(lambda by: ", ".join(DECIDERS[one] for one in sorted(set(by))))
    order = [role for role in ROLE_MEANINGS if role in counts.index]
    counts = counts.loc[order].fillna({"known_people": 0}).astype({"known_people": int})
    return counts.reset_index(names="role")


def roles_table(splits: pd.DataFrame) -> Table:
    """The same for the terminal."""
    table = empty_table("Faces", "role", "people", "images", "known to the\nattacker", "who decided it")
    for role, people, images, known, decider in count_roles(splits).itertuples(index=False):
        table.add_row(Text(str(role)), *(f"{int(number):,}" for number in (people, images, known)), Text(decider))
    return table
