"""The reference says what docstrings say, and complains where they say nothing."""

import logging
import re
from importlib import import_module
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

import faceleak
from docs_pages import catalog, configuration
from docs_pages.types import describe
from faceleak.common.options import Options
from faceleak.membership.calibration import registry

SOURCE = Path(faceleak.__file__).parent


class Documented(Options):
    """What it is about."""

    near: float = Field(ge=0)
    """Distance of the nearer one, in meters."""
    far: float = Field(gt=0, lt=10)
    """Distance of the farther one,
    in meters.
    """
    name: str | None = None
    """Its name (or two; who knows)."""
    kind: Literal["a", "b"] = "a"
    """Which kind it is."""
    calibration: Annotated[str, registry] = "lira"
    """How it is calibrated."""
    forgotten: list[int] = Field(default_factory=list, min_length=1)


def test_a_row_says_what_the_docstring_of_the_field_says() -> None:
    fields = Documented.model_json_schema()["properties"]
    rows = list(configuration.Reference({}).table(fields, ["near", "far"], {"near": 2}, "Documented"))
    assert rows[1:5] == [
        "| `near` | Distance of the nearer one, in meters. | number ≥ 0 | *required* | `2` |",
        "| `far` | Distance of the farther one, in meters. | number > 0, < 10 | *required* |  |",
        "| `name` | Its name (or two; who knows). | text or null | `null` |  |",
        "| `kind` | Which kind it is. | `a`, `b` | `a` |  |",
    ]


MODULES = [
    ".".join(("faceleak", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    for file in sorted(SOURCE.rglob("*.py"))
    if "(Options)" in file.read_text()
]


def test_every_field_of_every_model_has_a_description_that_is_a_sentence() -> None:
    for module in MODULES:
        import_module(module)
    models = [model for model in _below(Options) if model.__module__.partition(".")[0] == "faceleak"]
    assert len(models) > 60
    told = {
        f"{model.__module__}.{model.__name__}.{name}": field.description or ""
        for model in models
        for name, field in model.model_fields.items()
    }
    assert [name for name, text in told.items() if not re.fullmatch(r"[A-Z`].*[.]", text, re.DOTALL)] == []


def _below(model: type[Options]) -> list[type[Options]]:
    return [found for below in model.__subclasses__() for found in (below, *_below(below))]


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
    with caplog.at_level(logging.WARNING):
        list(configuration.Reference(schema).table(schema["properties"], [], {}, "Documented"))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        "Documented.forgotten has no description"
    ]


def test_an_artifact_that_nothing_explains_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        list(catalog.sections({"data/08_reporting/x.csv": catalog.Artifact("x", "", False, {"report"})}))
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["x has no description"]
