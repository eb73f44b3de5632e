"""Nested dicts: joined, and as flat ones for tools that know no nesting."""

from typing import Any

Tree = dict[str, Any]  # plain data for JSON or YAML
Metrics = dict[str, Tree]  # variant → stage → … → number


def flatten(tree: dict[str, Any], separator: str = "/") -> dict[str, Any]:
    """Join the keys of nested dicts: {"a": {"b": 1}} → {"a/b": 1}."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat.update({f"{key}{separator}{rest}": leaf for rest, leaf in flatten(value, separator).items()})
        else:
            flat[key] = value
    return flat


def merge_metrics(*trees: Metrics) -> Metrics:
    """Join metrics by variant: variant → stage → …; a stage that occurs twice for a variant is an error."""
    merged: Metrics = {}
    for tree in trees:
        for variant, stages in tree.items():
            known = merged.setdefault(variant, {})
            if twice := known.keys() & stages.keys():
                raise ValueError(f"{variant} has metrics of {', '.join(twice)} from two nodes")
            known.update(stages)
    return merged
