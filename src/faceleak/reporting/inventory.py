"""The inventory of a backbone as tables: what it consists of, and its BN layers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.reporting.tables import markdown

Inventory = Mapping[str, Any]

LAYER_COLUMNS = {
    "name": "BN layer",
    "channels": "channels",
    "eps": "eps",
    "momentum": "momentum",
    "affine": "affine",
    "statistics_trained": "statistics trained",
}


def inventory_table(inventory: Inventory) -> pd.DataFrame:
    """One row a BN layer, in words (`LAYER_COLUMNS`); no row where there is none.

    inventory: as `backbones.inventory.take_inventory` gives it.
    """
    rows = [{heading: _words(layer[key]) for key, heading in LAYER_COLUMNS.items()} for layer in inventory["bn_layers"]]
    return pd.DataFrame(rows, columns=list(LAYER_COLUMNS.values()))


def summary_table(inventory: Inventory) -> pd.DataFrame:
    """The whole backbone: two columns of text, property and value."""
    layers = inventory["bn_layers"]
    trained = sum(layer["statistics_trained"] for layer in layers)
    stated, measured = inventory["embedding_size"], inventory["measured_embedding_size"]
    rows = {
        "architecture": inventory["architecture"],
        "parameters": f"{inventory['parameters']:,}",
        "GFLOPs an image": f"{inventory['flops'] / 1e9:.3g}",
        "embedding size": f"{measured}" if stated == measured else f"{measured}, the card states {stated}",
        "BN layers": f"{len(layers)}, {trained} of them with trained statistics",
        "BN channels": f"{sum(layer['channels'] for layer in layers):,}",
        **_eps(inventory),
        "same answer when asked again": _words(inventory["deterministic"]),
        "same answer in a batch": _batch(inventory),
    }
    return pd.DataFrame(rows.items(), columns=["property", "value"])


def inventory_markdown(inventory: Inventory) -> str:
    """Write warnings, summary and BN layers as Markdown."""
    warnings = "".join(f"- **{warning}**\n" for warning in inventory["warnings"])
    parts = [warnings, markdown(summary_table(inventory)), markdown(inventory_table(inventory))]
    return "\n".join(part for part in parts if part)


def _eps(inventory: Inventory) -> dict[str, str]:
    """Where eps comes from and how much hangs on it; nothing without BN, and for inventories of earlier versions."""
    if inventory.get("eps_cosine") is None:
        return {}
    eps = ", ".join(f"{eps:g}" for eps in sorted({layer["eps"] for layer in inventory["bn_layers"]}))
    assumed = " (assumed, the architecture's own)" if inventory["bn_eps_assumed"] else ""
    return {
        "BN eps": eps + assumed,
        "BN channels with a variance of 10 eps or less": f"{inventory['near_silent_channels']:,}",
        "cosine of an embedding to that with twice the eps": f"{inventory['eps_cosine']:.4f}",
    }


def _batch(inventory: Inventory) -> str:
    difference, same = inventory["batch_difference"], _words(inventory["independent_of_batch"])
    return "–, not finite" if difference is None else f"{same} (differs by {difference:.1g})"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else "–" if value is None else str(value)
