"""Validation: the last look at images, manifest and splits before anything is computed from them.

What is expected stands in `_checks`; Great Expectations evaluates it on one table, a row an image.
"""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from faceleak.errors import FaceleakError
from faceleak.faces.images import ImageError
from faceleak.faces.options import Role, ValidationOptions
from faceleak.faces.store import FaceStore
from faceleak.progress import track

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.expectations.expectation import Expectation

EXAMPLES = 5
log = logging.getLogger(__name__)
RUN_AGAIN = "Delete the store and run again: kedro run --pipeline=faces"
ONE_COPY = "Keep one file of each image in the source"
WHOLE_PEOPLE = "Draw whole people, as faceleak.faces.splits.split does"


class FacesValidationError(FaceleakError):
    """Images, manifest or splits are not as expected; `result` is what `validate` would have returned."""

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result or {}


@dataclass(frozen=True)
class Check:
    """An expectation, what the images that break it have in common, and what to do about them."""

    name: str
    expectation: "Expectation"
    offenders: str
    remedy: str


def validate(
    store: FaceStore, manifest: pd.DataFrame, splits: pd.DataFrame, options: ValidationOptions
) -> dict[str, Any]:
    """Check that the images are usable and that the splits keep apart what must be apart.

    Returns success, rows, and expectations: one entry each with name, type, column, severity, success,
    unexpected_count and examples (image ids, 5 at most). An expectation of severity `info` is counted, warned
    of and never fails: the same image twice within one role makes numbers a little less certain, not wrong. Images
    without a role are left out of all that is about roles. Raises FacesValidationError, which carries the same result.
    """
    table = _table(store, manifest, splits)
    checks = _checks(options)
    found = _evaluate(table, checks)
    _warn_of_copies(found)
    result = {
        "success": all(entry["success"] for entry in found),
        "rows": len(table),
        "expectations": found,
    }
    if not result["success"]:
        raise FacesValidationError(_message(checks, result), result)
    return result


def _checks(options: ValidationOptions) -> list[Check]:
    from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween
    from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet
    from great_expectations.expectations.core.expect_column_values_to_be_unique import ExpectColumnValuesToBeUnique
    from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull

    def present(column: str) -> "Expectation":
        return ExpectColumnValuesToNotBeNull(column=column)

    def one_of(column: str, *values: Any) -> "Expectation":
        return ExpectColumnValuesToBeInSet(column=column, value_set=list(values))

    def between(column: str, lowest: int, highest: int | None, **more: Any) -> "Expectation":
        return ExpectColumnValuesToBeBetween(column=column, min_value=lowest, max_value=highest, **more)

    unique = ExpectColumnValuesToBeUnique(column="image_id")
    small, large, few = options.minimum_size, options.maximum_size, options.minimum_images_per_identity
    size = f"less than {small} or more than {large} pixels"
    rescale = "Remove or rescale them, or set faces.validation.minimum_size and maximum_size"
    demand = "Raise minimum_images in faces.splits.roles, or lower faces.validation.minimum_images_per_identity"
    repeated = between("copies_in_role", 1, 1, mostly=0.0, severity="info")
    return [
        Check("image_id_present", present("image_id"), "images without an image_id", RUN_AGAIN),
        Check("image_id_unique", unique, "images that share their image_id with another row", RUN_AGAIN),
        Check("identity_present", present("identity"), "images without an identity", RUN_AGAIN),
        Check("sha256_present", present("sha256"), "images without a sha256", RUN_AGAIN),
        Check("width_accepted", between("width", small, large), f"images with a width of {size}", rescale),
        Check("height_accepted", between("height", small, large), f"images with a height of {size}", rescale),
        Check("decodable", one_of("decodable", True), "images that cannot be read from the store", RUN_AGAIN),
        Check(
            "in_manifest",
            one_of("in_manifest", True),
            "images that the manifest and the splits state differently",
            RUN_AGAIN,
        ),
        Check("role_known", one_of("role", *get_args(Role)), "images with an unknown role", RUN_AGAIN),
        Check("image_in_one_role", between("roles_of_image", 1, 1), "images (by sha256) in several roles", ONE_COPY),
        Check(
            "identity_in_one_group",
            between("disjointness_groups_of_identity", 1, 1),
            "images of people in roles that must be disjoint (only member and same_identity share people)",
            WHOLE_PEOPLE,
        ),
        Check(
            "identity_known_or_not",
            between("known_flags_of_identity", 1, 1),
            "images of people whom the attacker knows by some images and not by others",
            WHOLE_PEOPLE,
        ),
        Check(
            "enough_images_of_identity",
            between("images_of_identity", few, None),
            f"images of people with fewer than {few} different images as member and same_identity, or unseen_identity",
            demand,
        ),
        Check("repeated_within_role", repeated, "images that occur more than once in their role", ONE_COPY),
    ]


def _table(store: FaceStore, manifest: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Join manifest and splits, a row an image, and add what the expectations look at."""
    splits = splits[["image_id", "identity", "sha256", "role", "known"]]
    table = manifest.merge(splits, "outer", "image_id", suffixes=("", "_of_splits"), indicator="origin")
    for column in ("identity", "sha256"):
        table[column] = table[column].where(table["origin"] != "right_only", table[f"{column}_of_splits"])
    same = (table["identity"] == table["identity_of_splits"]) & (table["sha256"] == table["sha256_of_splits"])
    table["in_manifest"] = (table["origin"] == "left_only") | ((table["origin"] == "both") & same)
    table["decodable"] = _decodable(store, table["image_id"])
    return table.join(_counts(table[table["role"].notna()]))


def _counts(images: pd.DataFrame) -> pd.DataFrame:
    """Count, for each image that has a role, what is shared by its hash and by its person."""
    images = images.assign(group=images["role"].replace("same_identity", "member"))
    by_image, by_person = images.groupby("sha256"), images.groupby("identity")
    compared = images["group"].isin(["member", "unseen_identity"])
    return pd.DataFrame(
        {
            "roles_of_image": by_image["role"].transform("nunique"),
            "copies_in_role": images.groupby(["sha256", "role"])["image_id"].transform("size"),
            "disjointness_groups_of_identity": by_person["group"].transform("nunique"),
            "known_flags_of_identity": by_person["known"].transform("nunique"),
            "images_of_identity": images.groupby(["identity", "group"])["sha256"].transform("nunique").where(compared),
        }
    )


def _decodable(store: FaceStore, image_ids: pd.Series) -> "pd.Series[bool]":
    stored = store.manifest()["image_id"]
    rows: list[int] = np.flatnonzero(stored.isin(image_ids)).tolist()
    damaged = [row for row in track(rows, "Checking images", len(rows), "images") if not _decodes(store, row)]
    return image_ids.isin(stored) & ~image_ids.isin(stored.iloc[damaged])


def _decodes(store: FaceStore, row: int) -> bool:
    try:
        store.pixels(row)
    except ImageError:
        return False
    return True


def _evaluate(table: pd.DataFrame, checks: list[Check]) -> list[dict[str, Any]]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it sets INFO itself
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("faces").add_dataframe_asset("images")
    batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
    suite = gx.ExpectationSuite("faces", expectations=[check.expectation for check in checks])
    found = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES})
    results = {_key(result.expectation_config): result for result in found.results}
    return [_entry(check, results[_key(check.expectation.configuration)], table) for check in checks]


def _key(configuration: Any) -> tuple[str, str]:
    return configuration.type, configuration.kwargs["column"]


def _entry(check: Check, found: "ExpectationValidationResult", table: pd.DataFrame) -> dict[str, Any]:
    rows = found.result["partial_unexpected_index_list"][:EXAMPLES]
    expectation_type, column = _key(found.expectation_config)
    return {
        "name": check.name,
        "type": expectation_type,
        "column": column,
        "severity": check.expectation.severity.value,
        "success": bool(found.success),
        "unexpected_count": int(found.result["unexpected_count"]),
        "examples": table["image_id"].iloc[rows].fillna("no image_id").tolist(),
    }


def _warn_of_copies(found: list[dict[str, Any]]) -> None:
    copies = next(entry for entry in found if entry["name"] == "repeated_within_role")
    if count := copies["unexpected_count"]:
        log.warning(
            "%d images occur more than once in their role (%s, …): numbers are a little less certain. %s.",
            *(count, ", ".join(copies["examples"]), ONE_COPY),
        )


def _message(checks: list[Check], result: dict[str, Any]) -> str:
    pairs = zip(checks, result["expectations"], strict=True)
    failed = [_line(check, entry) for check, entry in pairs if not entry["success"]]
    return (
        f"The faces are not fit for an audit, so nothing was computed from them. {len(failed)} of {len(checks)} "
        f"expectations failed on {result['rows']} images:\n" + "\n".join(failed)
    )


def _line(check: Check, entry: dict[str, Any]) -> str:
    count = entry["unexpected_count"]
    examples = ", ".join(entry["examples"]) + (", …" if count > EXAMPLES else "")
    return f"- {check.offenders}: {count} ({examples}). {check.remedy}."
