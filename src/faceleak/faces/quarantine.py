"""Broken images: set aside with the reason, counted, and too many of them refused."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from faceleak.errors import FaceleakError
from faceleak.faces.options import QuarantineOptions

EXAMPLES = 5


class QuarantineError(FaceleakError):
    """So many images of the source are broken that something else must be wrong."""


@dataclass(frozen=True)
class Broken:
    """An image that cannot be used, and why."""

    image_id: str
    identity: str
    reason: str


def as_table(broken: list[Broken]) -> pd.DataFrame:
    """The quarantine: image_id, identity, reason."""
    return pd.DataFrame([vars(image) for image in broken], columns=["image_id", "identity", "reason"], dtype=str)


def refusal(broken: list[Broken], seen: int, total: int, options: QuarantineOptions, listed: Path) -> str:
    """What to tell the user where more images are broken than `options` allow; the list of them is at `listed`."""
    lines = "\n".join(f"- {image.image_id or 'no name'}: {image.reason}" for image in broken[:EXAMPLES])
    more = f"\n- … and {len(broken) - EXAMPLES} more" if len(broken) > EXAMPLES else ""
    return (
        f"{len(broken)} of the first {seen:,} images (of {total:,}) are broken, more than the "
        f"{options.maximum_share:.1%} of all that faces.quarantine.maximum_share allows:\n{lines}{more}\n"
        f"All that were found are listed in {listed}. Repair the source, or raise faces.quarantine.maximum_share to "
        "leave them out. What was packed is kept for the next run, and an earlier store is as it was."
    )
