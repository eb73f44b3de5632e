"""Attributes of people or images, from a table of the user's own: what subgroups are made of."""

from pathlib import Path

import pandas as pd

from faceleak.errors import FaceleakError

KEYS = ("identity", "image_id")


class AttributesError(FaceleakError):
    """The table of attributes is missing or is no such table."""


def read_attributes(path: Path) -> pd.DataFrame:
    """Read a CSV file with `identity` or `image_id` and a column for each attribute. Raises AttributesError."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise AttributesError(
            f"{path} cannot be read as a CSV table ({error}). Correct membership.attributes."
        ) from error
    if not set(KEYS) & set(table.columns) or len(table.columns) < len(KEYS):
        raise AttributesError(
            f"{path} has the columns {', '.join(table.columns)}; it takes `identity` or `image_id`, and one column at "
            "least for an attribute."
        )
    return table
