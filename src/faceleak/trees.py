"""Nested dicts as flat ones, for tools that know no nesting."""

from typing import Any


def flatten(tree: dict[str, Any], separator: str = "/") -> dict[str, Any]:
    """Join the keys of nested dicts: {"a": {"b": 1}} → {"a/b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{key}{separator}{rest}": leaf for rest, leaf in flatten(value, separator).items()})
        else:
            flat[key] = value
    return flat
