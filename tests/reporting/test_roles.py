import io

import pandas as pd
import pytest
from rich.console import Console

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.roles import count_roles, roles_table


@pytest.fixture
def splits() -> pd.DataFrame:
    rows = [
        ("public", "dora", False, "draw"),
        ("member", "anna", True, "user"),
        ("member", "anna", True, "user"),
        ("member", "bert", False, "user"),
        ("public", "carl", False, "user"),
    ]
    return pd.DataFrame(rows, columns=["role", "identity", "known", "decided_by"])


def test_people_and_images_are_counted_and_it_is_told_who_decided(splits):
    assert count_roles(splits).to_numpy().tolist() == [
        ["member", 2, 3, 1, "stated by the user"],
        ["public", 2, 2, 0, "drawn, stated by the user"],
    ]


def test_the_terminal_shows_it_in_100_columns(splits):
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(roles_table(splits))
    assert "stated by the user" in console.export_text()


def test_splits_that_do_not_say_who_decided_are_refused(splits):
    with pytest.raises(ReportingError, match="decided_by"):
        count_roles(splits.drop(columns="decided_by"))
