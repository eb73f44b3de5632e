"""What is expected of a face set, and Great Expectations evaluating it, a slice of the images at a time."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from faceleak.faces.options import Role, ValidationOptions

if TYPE_CHECKING:
    from great_expectations.core import ExpectationValidationResult
    from great_expectations.datasource.fluent.pandas_datasource import DataFrameAsset
    from great_expectations.expectations.expectation import Expectation

EXAMPLES = 5
RUN_AGAIN = "Delete the store and run again: kedro run --pipeline=faces"
ONE_COPY = "Keep one file of each image in the source (copies.csv lists the pairs), or set faces.duplicates: drop"
WHOLE_PEOPLE = "Draw whole people, as faceleak.faces.splits.split does"

Entry = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """An expectation, what it says, what the images that break it have in common, and what to do about them."""

    name: str
    expectation: "Expectation"
    expected: str
    offenders: str
    remedy: str


def checks(options: ValidationOptions) -> list[Check]:
    """All expectations, on columns of the tables that `evaluate` takes."""
    return [*_of_manifest(options), *_of_splits(options)]


def _of_manifest(options: ValidationOptions) -> list[Check]:
    small, large = options.minimum_size, options.maximum_size
    size = f"less than {small} or more than {large} pixels"
    rescale = "Remove or rescale them, or set faces.validation.minimum_size and maximum_size"
    return [
        Check(
            "image_id_present",
            _present("image_id"),
            "Every image has a name",
            "images without an image_id",
            RUN_AGAIN,
        ),
        Check(
            "image_id_unique",
            _between("rows_of_image_id", 1, 1),
            "No two images have the same name",
            "images that share their image_id with another row",
            RUN_AGAIN,
        ),
        Check(
            "identity_present",
            _present("identity"),
            "Every image shows a named person",
            "images without an identity",
            RUN_AGAIN,
        ),
        Check("sha256_present", _present("sha256"), "Every image has a hash", "images without a sha256", RUN_AGAIN),
        Check(
            "width_accepted",
            _between("width", small, large),
            f"Every image is {small} to {large} pixels wide",
            f"images with a width of {size}",
            rescale,
        ),
        Check(
            "height_accepted",
            _between("height", small, large),
            f"Every image is {small} to {large} pixels high",
            f"images with a height of {size}",
            rescale,
        ),
        Check(
            "decodable",
            _one_of("decodable", True),
            "Every image can be read from the store",
            "images that cannot be read from the store",
            RUN_AGAIN,
        ),
        Check(
            "in_manifest",
            _one_of("in_manifest", True),
            "Manifest and splits agree on every image",
            "images that the manifest and the splits state differently",
            RUN_AGAIN,
        ),
    ]


def _of_splits(options: ValidationOptions) -> list[Check]:
    few = options.minimum_images_per_identity
    demand = "Raise minimum_images in faces.splits.roles, or lower faces.validation.minimum_images_per_identity"
    return [
        Check(
            "role_known",
            _one_of("role", *get_args(Role)),
            "Every role is one that is known",
            "images with an unknown role",
            RUN_AGAIN,
        ),
        Check(
            "image_in_one_role",
            _between("roles_of_image", 1, 1),
            "No image plays several roles, under whatever names",
            "images (by sha256) in several roles",
            ONE_COPY,
        ),
        Check(
            "picture_in_one_role",
            _between("roles_of_picture", 1, 1),
            "No picture plays several roles, saved again or not",
            "images whose near copies (the same picture, saved again) play another role",
            ONE_COPY,
        ),
        Check(
            "identity_in_one_group",
            _between("disjointness_groups_of_identity", 1, 1),
            "No person is in roles that must be disjoint",
            "images of people in roles that must be disjoint (only member and same_identity share people)",
            WHOLE_PEOPLE,
        ),
        Check(
            "identity_known_or_not",
            _between("known_flags_of_identity", 1, 1),
            "The attacker knows all images of a person or none",
            "images of people whom the attacker knows by some images and not by others",
            WHOLE_PEOPLE,
        ),
        Check(
            "enough_images_of_identity",
            _between("images_of_identity", few, None),
            f"Every person who is compared has at least {few} different images",
            f"images of people with fewer than {few} different images as member and same_identity, or unseen_identity",
            demand,
        ),
        Check(
            "picture_repeated_within_role",
            _between("pictures_in_role", 1, 1, mostly=0.0, severity="info"),
            "No picture occurs more than once in its role, saved again",
            "images with near copies in their role",
            ONE_COPY,
        ),
        Check(
            "repeated_within_role",
            _between("copies_in_role", 1, 1, mostly=0.0, severity="info"),
            "No image occurs more than once in its role",
            "images that occur more than once in their role",
            ONE_COPY,
        ),
    ]


def _present(column: str) -> "Expectation":
    from great_expectations.expectations.core.expect_column_values_to_not_be_null import ExpectColumnValuesToNotBeNull

    return ExpectColumnValuesToNotBeNull(column=column)


def _one_of(column: str, *values: Any) -> "Expectation":
    from great_expectations.expectations.core.expect_column_values_to_be_in_set import ExpectColumnValuesToBeInSet

    return ExpectColumnValuesToBeInSet(column=column, value_set=list(values))


def _between(column: str, lowest: int, highest: int | None, **more: Any) -> "Expectation":
    from great_expectations.expectations.core.expect_column_values_to_be_between import ExpectColumnValuesToBeBetween

    return ExpectColumnValuesToBeBetween(column=column, min_value=lowest, max_value=highest, **more)


def evaluate(tables: Iterable[pd.DataFrame], expected: list[Check]) -> list[Entry]:
    """Evaluate the checks on tables that together are the whole, a row an image; one entry a check.

    Counts are added up, and the examples are the first ones.
    """
    asset = _asset()
    totals = [_nothing(check) for check in expected]
    for number, table in enumerate(tables):
        for total, found in zip(totals, _evaluate(asset, f"slice {number}", table, expected), strict=True):
            total["success"] &= found["success"]
            total["unexpected_count"] += found["unexpected_count"]
            total["examples"] = (total["examples"] + found["examples"])[:EXAMPLES]
    return totals


def _asset() -> "DataFrameAsset":
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it sets INFO itself
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset: DataFrameAsset = context.data_sources.add_pandas("faces").add_dataframe_asset("images")
    return asset


def _nothing(check: Check) -> Entry:
    expectation_type, column = _key(check.expectation.configuration)
    return {
        "name": check.name,
        "type": expectation_type,
        "column": column,
        "severity": check.expectation.severity.value,
        "expected": check.expected,
        "success": True,
        "unexpected_count": 0,
        "examples": [],
    }


def _evaluate(asset: "DataFrameAsset", name: str, table: pd.DataFrame, expected: list[Check]) -> list[Entry]:
    import great_expectations as gx

    batch = asset.add_batch_definition_whole_dataframe(name).get_batch({"dataframe": table})
    suite = gx.ExpectationSuite(name, expectations=[check.expectation for check in expected])
    found = batch.validate(suite, result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES})
    results = {_key(result.expectation_config): result for result in found.results}
    return [_entry(results[_key(check.expectation.configuration)], table["image_id"]) for check in expected]


def _key(configuration: Any) -> tuple[str, str]:
    return configuration.type, configuration.kwargs["column"]


def _entry(found: "ExpectationValidationResult", image_ids: "pd.Series[str]") -> Entry:
    rows = found.result["partial_unexpected_index_list"][:EXAMPLES]
    return {
        "success": bool(found.success),
        "unexpected_count": int(found.result["unexpected_count"]),
        "examples": image_ids.iloc[rows].fillna("no image_id").tolist(),
    }
