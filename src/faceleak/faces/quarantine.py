"""The quarantine: images left out of the store with the reason, counted, and refused if they are too many."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.faces.options import QuarantineOptions

EXAMPLES = 5


class QuarantineError(FaceleakError):
    """So many images of the source cannot be used that something else must be wrong."""


@dataclass(frozen=True)
class Broken:
    """An image that cannot be used, and why; or `count` images or files of the same reason."""

    image_id: str
    identity: str
    reason: str
    count: int = 1


def as_table(broken: list[Broken]) -> pd.DataFrame:
    """The quarantine: image_id, identity, reason, count."""
    types = {"image_id": "str", "identity": "str", "reason": "str", "count": "int64"}
    return pd.DataFrame([vars(image) for image in broken], columns=list(types)).astype(types)


def summary(quarantine: pd.DataFrame) -> str:
    """How many images and files were left out, and the first few; `quarantine` is a table as `as_table` gives it."""
    few = quarantine.nlargest(EXAMPLES, "count")
    named = zip(few["image_id"], few["reason"], strict=True)
    lines = "".join(f"\n- {reason}" if name in reason else f"\n- {name}: {reason}" for name, reason in named)
    more = f"\n- … and {len(quarantine) - EXAMPLES:,} more" if len(quarantine) > EXAMPLES else ""
    total = quarantine["count"].sum()
    return f"Images and files left out of the store: {total:,}. quarantine.csv lists them:{lines}{more}"


def refusal(broken: list[Broken], seen: int, total: int, options: QuarantineOptions, listed: Path) -> str:
    """What to tell the user if more images are broken than `options` allow; the list of them is at `listed`."""
    lines = "\n".join(f"- {image.image_id or 'no name'}: {image.reason}" for image in broken[:EXAMPLES])
    more = f"\n- … and {len(broken) - EXAMPLES} more" if len(broken) > EXAMPLES else ""
    return (
        f"{len(broken)} of the first {seen:,} images (of {total:,}) cannot be used, more than the "
        f"{options.maximum_share:.1%} of all that faces.quarantine.maximum_share allows:\n{lines}{more}\n"
        f"All that were found are listed in {listed}. Repair the source, or raise faces.quarantine.maximum_share to "
        "leave them out. What was packed is kept for the next run, and an earlier store is as it was."
    )
