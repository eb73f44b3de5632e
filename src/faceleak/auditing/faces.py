"""Faces: source → packed store → manifest → splits → validation."""

import logging
from pathlib import Path

import pandas as pd

from faceleak.auditing.kinds import Figure
from faceleak.common.trees import Tree
from faceleak.faces.options import FacesOptions
from faceleak.faces.packing import Packing
from faceleak.faces.quarantine import summary
from faceleak.faces.splits import alike, split, split_as_stated
from faceleak.faces.store import STATED_ROLE, FaceSource, FaceStore
from faceleak.work.compute import ComputeOptions

log = logging.getLogger(__name__)


def open_source(options: FacesOptions, compute: ComputeOptions) -> FaceSource | Packing:
    """Open the configured source of faces; saving it packs it."""
    if options.source == "demo" and options.demo is not None:
        from faceleak.faces.demo import DemoFaces

        return DemoFaces(options.demo, compute)
    from faceleak.faces.sources.aligned import AlignedFaces
    from faceleak.faces.sources.opening import open_images

    images = open_images(options)
    if options.landmarks is not None:
        images = AlignedFaces(images, options.landmarks, compute)
    sizes = options.validation
    return Packing(images, options.quarantine, compute, sizes.minimum_size, sizes.maximum_size)


def list_faces(store: FaceStore) -> pd.DataFrame:
    """Make the manifest: one row an image."""
    manifest = store.manifest()
    if pairs := alike(manifest["identity"].unique()):
        log.warning(
            "People are told apart by their names alone, so that %r and %r are two. Such pairs, which differ only in "
            "case, blanks or the encoding of accents: %s. If they are one person, give both the same name.",
            *pairs[0],
            f"{len(pairs):,}",
        )
    return manifest


def list_quarantine(store: FaceStore) -> pd.DataFrame:
    """List the images that were left out of the store, and why."""
    quarantine = store.quarantine()
    if not quarantine.empty:
        log.warning(summary(quarantine))
    return quarantine


def split_faces(manifest: pd.DataFrame, options: FacesOptions) -> pd.DataFrame:
    """Give every image its role: the user's, where the source states them."""
    if STATED_ROLE in manifest:
        log.info("Who was trained on is what the user states (column decided_by of the splits), not a draw.")
        return split_as_stated(manifest, options.splits)
    return split(manifest, options.splits)


def look_for_copies(store: FaceStore, splits: pd.DataFrame, options: FacesOptions) -> tuple[pd.DataFrame, pd.DataFrame]:
    """List the pairs of images that are copies; return them and the splits, with or without what is to be dropped."""
    from faceleak.faces.copies import find_copies, warn_of_copies, without_copies

    copies = find_copies(store, splits)
    warn_of_copies(copies)
    return copies, without_copies(splits, copies) if options.duplicates == "drop" else splits


def validate_faces(
    store: FaceStore, manifest: Path | pd.DataFrame, splits: pd.DataFrame, copies: pd.DataFrame, options: FacesOptions
) -> tuple[Tree, str]:
    """Check store, manifest and splits; return the result and a page to read, whatever was found."""
    from faceleak.faces.validation import examine
    from faceleak.reporting.validation import validation_page

    result = examine(store, manifest, splits, copies, options.validation)
    return result, validation_page(result)


def accept_splits(splits: pd.DataFrame, validation: Tree) -> pd.DataFrame:
    """Let the splits pass where nothing is wrong; raises FacesValidationError with the offending rows."""
    from faceleak.faces.validation import require_success

    require_success(validation)
    return splits


def draw_sample(store: FaceStore, splits: pd.DataFrame) -> Figure:
    """Show a few people of each role."""
    from faceleak.reporting.galleries import people_sheet

    return people_sheet(store, splits)
