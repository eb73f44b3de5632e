"""What a field of a JSON schema takes, in words."""

import json
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]

WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
FORMATS = {"path": "path", "password": "text, never shown"}
BOUNDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "multipleOf": "a multiple of {}",
    "pattern": "matching `{}`",
}


def model_of(schema: Schema) -> str | None:
    """The model that a schema points at, by itself."""
    reference: str | None = schema.get("$ref")
    return reference.rpartition("/")[2] if reference else None


def models_in(schema: Schema, place: str) -> dict[str, str]:
    """Each model that a field at `place` holds → where: the place itself, a name below it, or one of a list."""
    if (model := model_of(schema)) is not None:
        return {model: place}
    found: dict[str, str] = {}
    for option in schema.get("anyOf", []):
        found |= models_in(option, place)
    if isinstance(values := schema.get("additionalProperties"), dict):
        found |= models_in(values, f"{place}.NAME")
    if "items" in schema:
        found |= models_in(schema["items"], f"{place}[]")
    return found


def describe(schema: Schema, link: Callable[[str], str]) -> str:
    """Type and range in Markdown; `link` makes a link to a model."""
    if (model := model_of(schema)) is not None:
        return link(model)
    if "anyOf" in schema:
        return " or ".join(describe(option, link) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema or "examples" in schema:
        return _values(schema)
    if schema.get("type") == "array":
        return _list(schema, link)
    if schema.get("type") == "object":
        return _mapping(schema, link)
    word = FORMATS.get(schema.get("format", ""), WORDS.get(schema.get("type", ""), "any value"))
    bounds = ", ".join(text.format(schema[key]) for key, text in BOUNDS.items() if key in schema)
    return f"{word} {bounds}".strip()


def code(value: Any) -> str:
    """A value as YAML has it."""
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`"


def _values(schema: Schema) -> str:
    """The values that are known; `examples` are those beside which the user may name one of their own."""
    if "examples" in schema:
        return f"{', '.join(map(code, schema['examples']))} or one of your own"
    return ", ".join(map(code, schema.get("enum", [schema.get("const")])))


def _list(schema: Schema, link: Callable[[str], str]) -> str:
    if "prefixItems" in schema:
        return f"[{', '.join(describe(item, link) for item in schema['prefixItems'])}]"
    least = schema.get("minItems", 0)
    return f"list of {describe(schema['items'], link)}" + (f", at least {least}" if least else "")


def _mapping(schema: Schema, link: Callable[[str], str]) -> str:
    values = schema.get("additionalProperties", True)
    if not isinstance(values, dict):
        return "block"
    named = schema.get("propertyNames", {})
    keys = _values(named) if {"enum", "examples"} & named.keys() else ""
    least = schema.get("minProperties", 0)
    return f"name ({keys or 'yours'}) → {describe(values, link)}" + (f", at least {least}" if least else "")
