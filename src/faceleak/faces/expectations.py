"""Great Expectations evaluates the expectations of a face set (`expectations.yml`), a slice of images at a time."""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pandas as pd

from faceleak.common.errors import kedro_run
from faceleak.faces.options import Role, ValidationOptions

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.pandas_datasource import DataFrameAsset

SUITE = Path(__file__).with_suffix(".yml")
EXAMPLES = 5

Entry = dict[str, Any]


class Texts(NamedTuple):
    """What an expectation says, what the images that break it have in common, and what to do about them."""

    expected: str
    offenders: str
    remedy: str


def texts(options: ValidationOptions) -> dict[str, Texts]:
    """Every expectation in words, by its name."""
    metas = [expectation["meta"] for expectation in _expectations()]
    settings = options.model_dump() | {"run_again": kedro_run("faces")}
    return {meta["name"]: Texts(*(meta[text].format(**settings) for text in Texts._fields)) for meta in metas}


def evaluate(tables: Iterable[pd.DataFrame], options: ValidationOptions) -> list[Entry]:
    """Evaluate the suite on tables that together are the whole, a row an image; one entry an expectation.

    Counts are added up, and the examples are the first ones.
    """
    import great_expectations as gx

    asset = _asset()
    suite = gx.ExpectationSuite("faces", expectations=_expectations())
    entries: dict[str, Entry] = {
        name: {
            "name": name,
            "type": expectation.configuration.type,
            "column": expectation.configuration.kwargs["column"],
            "severity": expectation.severity.value,
            "expected": said.expected,
            "success": True,
            "unexpected_count": 0,
            "examples": [],
        }
        for expectation, (name, said) in zip(suite.expectations, texts(options).items(), strict=True)
    }
    for number, table in enumerate(tables):
        batch = asset.add_batch_definition_whole_dataframe(f"slice {number}").get_batch({"dataframe": table})
        found = batch.validate(
            suite,
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES},
            expectation_parameters={**options.model_dump(), "roles": list(get_args(Role))},
        )
        for result in found.results:
            configuration = result.expectation_config
            assert configuration is not None
            assert configuration.meta is not None
            entry = entries[configuration.meta["name"]]
            rows = result.result["partial_unexpected_index_list"]
            entry["success"] &= bool(result.success)
            entry["unexpected_count"] += int(result.result["unexpected_count"])
            examples = table["image_id"].iloc[rows].fillna("no image_id").tolist()
            entry["examples"] = (entry["examples"] + examples)[:EXAMPLES]
    return list(entries.values())


def _expectations() -> list[dict[str, Any]]:
    import yaml

    expectations: list[dict[str, Any]] = yaml.safe_load(SUITE.read_text(encoding="utf-8"))["expectations"]
    return expectations


def _asset() -> "DataFrameAsset":
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it sets INFO itself
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset: DataFrameAsset = context.data_sources.add_pandas("faces").add_dataframe_asset("images")
    return asset
