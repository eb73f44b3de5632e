"""Faces: source → packed store → manifest → splits → validation."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.options import FacesOptions
from faceleak.faces.splits import split
from faceleak.faces.store import FaceSource, FaceStore


def open_source(options: FacesOptions, compute: ComputeOptions) -> FaceSource:
    """Open the configured source of faces; saving it packs it."""
    from faceleak.faces.demo import DemoFaces
    from faceleak.faces.folder import FaceFolder

    if options.demo is not None and options.source == "demo":
        return DemoFaces(options.demo, compute)
    assert options.folder is not None
    return FaceFolder(options.folder.path)


def list_faces(store: FaceStore) -> pd.DataFrame:
    """Make the manifest: one row an image."""
    return store.manifest()


def split_faces(manifest: pd.DataFrame, options: FacesOptions) -> pd.DataFrame:
    """Give every image its role."""
    return split(manifest, options.splits)


def validate_faces(
    store: FaceStore, manifest: pd.DataFrame, splits: pd.DataFrame, options: FacesOptions
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check store, manifest and splits and let the splits pass; raises FacesValidationError with the offending rows."""
    from faceleak.faces.validation import validate

    return splits, validate(store, manifest, splits, options.validation)


def draw_sample(store: FaceStore, splits: pd.DataFrame) -> Any:
    """Show a few people of each role."""
    from faceleak.reporting.galleries import people_sheet

    return people_sheet(store, splits)
