"""Attributes of people or images, from a table of the user's own: what subgroups are made of."""

from pathlib import Path

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.common.text_tables import TextTableError, read_table, slashed

KEYS = ("identity", "image_id")


class AttributesError(FaceleakError):
    """The table of attributes is missing or is no such table."""


def read_attributes(path: Path) -> pd.DataFrame:
    """Read a text table with `identity` or `image_id` and a column for each attribute, all as text.

    An empty cell is a missing value; `None` and `NA` are values. Raises AttributesError.
    """
    try:
        rows = list(read_table(path))
        table = pd.DataFrame([cells for _, cells in rows], dtype=str)
    except TextTableError as error:
        raise AttributesError(f"{error} The file is that of membership.attributes.") from error
    keys = [key for key in KEYS if key in table.columns]
    if not keys or len(table.columns) < len(KEYS):
        raise AttributesError(
            f"{path} has the columns {', '.join(table.columns)}; it takes `identity` or `image_id`, and one column at "
            "least for an attribute."
        )
    for key in keys:
        if (empty := (table[key] == "")).any():
            raise AttributesError(
                f"{path}, row {rows[int(empty.argmax())][0]}: {key} is empty. Name it or remove the row."
            )
    if "image_id" in keys:
        table["image_id"] = table["image_id"].map(slashed)
    return table.replace("", None)
