"""The reference says what docstrings say, and complains where they say nothing."""

import logging
from typing import Annotated, Literal

import pytest
from pydantic import Field

from docs_pages import catalog, configuration
from docs_pages.meanings import meanings
from docs_pages.types import describe
from faceleak.common.options import Options
from faceleak.membership.calibration import registry


class Documented(Options):
    """What it is about.

    `near`, `far`: two distances; in meters. With `name` it has one (or two; who knows).
    kind: of it. calibration: of it too.
    """

    near: float = Field(ge=0)
    far: float = Field(gt=0, lt=10)
    name: str | None = None
    kind: Literal["a", "b"] = "a"
    calibration: Annotated[str, registry] = "lira"
    forgotten: list[int] = Field(default_factory=list, min_length=1)


def test_sentences_go_to_the_keys_that_they_label_or_mention() -> None:
    introduction, explained = meanings(Documented.__doc__ or "", Documented.model_fields)
    assert introduction == "What it is about."
    assert explained == {
        "near": "Two distances; in meters.",
        "far": "Two distances; in meters.",
        "name": "With `name` it has one (or two; who knows).",
        "kind": "Of it.",
        "calibration": "Of it too.",
    }


def test_types_and_ranges_are_told_in_words() -> None:
    fields = Documented.model_json_schema()["properties"]
    told = {key: describe(field, str) for key, field in fields.items()}
    assert told == {
        "near": "number ≥ 0",
        "far": "number > 0, < 10",
        "name": "text or null",
        "kind": "`a`, `b`",
        "calibration": "`features`, `bavaria`, `difference`, `lira`, `rmia` or one of your own",
        "forgotten": "list of whole number, at least 1",
    }


def test_a_key_that_nothing_explains_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    schema = Documented.model_json_schema()
    explained = meanings(schema["description"], schema["properties"])[1]
    with caplog.at_level(logging.WARNING):
        list(configuration.Reference(schema).table(schema["properties"], [], explained, {}, "Documented"))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Documented.forgotten has no description"
    ]


def test_an_artifact_that_nothing_explains_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        list(catalog.sections({"data/08_reporting/x.csv": catalog.Artifact("x", "", False, {"report"})}))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["x has no description"]
