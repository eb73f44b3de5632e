"""Configuration reference: every block, from the pydantic models, the docstrings of their fields and `conf/base`."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

from docs_pages.types import Schema, code, describe, model_of, models_in
from faceleak.common.named import Registry
from faceleak.defenses import registry as defenses
from faceleak.erasure import registry as methods
from faceleak.runs.configuration import Parameters
from faceleak.settings import CONFIG_LOADER_ARGS

LOG = logging.getLogger("mkdocs.hooks.configuration")
MISSING = object()
INTRODUCTION = """# Configuration

All parameters are in `conf/<env>/parameters*.yml`. `kedro run --env=NAME` lays `conf/NAME` over `conf/base`, and
`--params=target.train.epochs=20` lays single values over both. Everything is checked before any work: an unknown key
or a wrong value stops the run, and the message names the key, the value, and what is allowed.

Keys that are *required* have no default; the last column is the value in `conf/base`, if it has one. Names of
signals, models and calibrations are in [attacks.md](attacks.md), of defenses in [defenses.md](defenses.md), of
architectures in [audit-your-own.md](audit-your-own.md#architectures), of terms of the objective in
[reconstruction-judgment.md](reconstruction-judgment.md#terms-of-the-objective). This page is made from the models
that check the configuration.
"""


def page(conf: Path) -> str:
    """The whole page in Markdown."""
    given = OmegaConfigLoader(str(conf), env="base", **CONFIG_LOADER_ARGS)["parameters"]
    return "\n".join([INTRODUCTION, *Reference(Parameters.model_json_schema()).all_blocks(given), *_settings()])


class Reference:
    """A section for each model, at the first place in the configuration that holds one; later places link there."""

    def __init__(self, schema: Schema) -> None:
        self._schema, self._models = schema, schema.get("$defs", {})
        self._places: dict[str, str] = {}

    def all_blocks(self, given: dict[str, Any]) -> Iterator[str]:
        """Every key at the top, each a block of its own."""
        for key, field in self._schema["properties"].items():
            if not models_in(field, key):
                yield f"\n## {key}\n"
                yield from self.table({key: field}, [], given, "Parameters")
            yield from self._sections({key: field}, "", given)

    def _sections(self, fields: Schema, above: str, given: Any) -> Iterator[str]:
        places = [(key, models_in(field, f"{above}.{key}".lstrip("."))) for key, field in fields.items()]
        new = [(key, *found) for key, models in places for found in models.items() if self._take(*found)]
        for key, model, place in new:
            yield from self._section(model, place, _value(given, key))

    def _take(self, model: str, place: str) -> bool:
        return "properties" in self._models[model] and self._places.setdefault(model, place) == place

    def _section(self, model: str, place: str, given: Any) -> Iterator[str]:
        schema = self._models[model]
        heading = "##" if place.count(".") == 0 else "###"
        yield f"\n{heading} {place} {{#{_anchor(place)}}}\n\n{schema['description']}\n"
        below = list(self._sections(schema["properties"], place, given))  # first, so that the table knows the places
        yield from self.table(schema["properties"], schema.get("required", []), given, model)
        yield from below

    def table(self, fields: Schema, required: list[str], given: Any, model: str) -> Iterator[str]:
        """A row for each key. What has no description is a warning."""
        yield "| key | meaning | takes | default | conf/base |\n|---|---|---|---|---|"
        for key, field in fields.items():
            below = self._models.get(model_of(field), {})  # of two equal descriptions pydantic keeps this one
            meaning = " ".join(field.get("description", below.get("description", "")).split())
            if not meaning:
                LOG.warning("%s.%s has no description: give it a docstring, below it in its class", model, key)
            default = "*required*" if key in required else _shown(field.get("default", MISSING))
            takes, in_base = describe(field, self._link), _shown(_value(given, key))
            yield f"| `{key}` | {meaning} | {takes} | {default} | {in_base} |"

    def _link(self, model: str) -> str:
        place = self._places.get(model)
        return f"[{place}](#{_anchor(place)})" if place else "any value"


def _settings() -> Iterator[str]:
    """Settings of every defense and method of erasure: keys of its row in `defense.variants` or `erasure.methods`."""
    yield "\n## Settings of defenses\n\nThey are keys next to `defense` in a row of `defense.variants`."
    yield from _settings_of(defenses, "settings")
    yield "\n## Settings of methods of erasure\n\nThey are keys next to `method` in a row of `erasure.methods`."
    yield from _settings_of(methods, "erasure-settings")


def _settings_of(registry: Registry[Any], anchor: str) -> Iterator[str]:
    for name in registry.names():
        schema = registry.get(name).Settings.model_json_schema()
        yield f"\n### {name} {{#{anchor}-{name}}}\n\n{schema['description']}\n"
        if fields := schema.get("properties", {}):
            yield from Reference(schema).table(fields, schema.get("required", []), {}, name)


def _anchor(place: str) -> str:
    return place.replace("[]", ".one").replace(".", "-").lower()


def _value(given: Any, key: str) -> Any:
    return given.get(key, MISSING) if isinstance(given, dict) else MISSING


def _shown(value: Any) -> str:
    """A value that fits in a cell; blocks have sections of their own."""
    blocks = value if isinstance(value, list) else [value]
    if value is MISSING or any(isinstance(block, dict) for block in blocks):
        return ""
    return code(value)
