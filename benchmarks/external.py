"""Where real faces and backbones from elsewhere lie: docs/external-data.md says where they are published."""

import os
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def external_data() -> Path | None:
    """`FACELEAK_EXTERNAL` if it is set, or `data/external`, or `shared` beside this checkout; None without any."""
    given = os.environ.get("FACELEAK_EXTERNAL")
    places = [PROJECT / given] if given else [PROJECT / "data" / "external", PROJECT.parent / "shared"]
    return next((place for place in places if (place / "faces").is_dir() or (place / "backbones").is_dir()), None)
