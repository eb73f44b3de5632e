"""What was audited: the target, the people, and the attackers."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.common.trees import flatten
from faceleak.common.words import counted
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.views import access_of
from faceleak.reporting.audit.blocks import figure, frame_table, metric_table
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import SPLITS, TARGET_CARD, TARGET_WEIGHTS
from faceleak.reporting.audit.parts import Block, Cell, Paragraph, Section, Table
from faceleak.reporting.formats import NOTHING, listed
from faceleak.reporting.style import ROLE_MEANINGS, words
from faceleak.reporting.validation import count_roles, validation_blocks

Inventory = Mapping[str, Any]

LAYER_COLUMNS = {
    "name": "BN layer",
    "channels": "channels",
    "eps": "eps",
    "momentum": "momentum",
    "affine": "affine",
    "statistics_trained": "statistics trained",
}
KNOWLEDGE = {
    "partial_knowledge": "knows some images that were trained on and some that were not, never of the judged people",
    "shadow": "has faces of its own only, on which it trains backbones of its own",
}
HOLDS = {
    "head": "the classification head too, which a headless release keeps back: an upper bound",
    "weights": "the weights of the backbone",
    "embeddings": "what the backbone answers to images",
}
DOES = {
    "plain": "attacks the target as it is",
    "static": "does not know of a defense: fitted on the undefended target",
    "refitted": "fits the attack on the defended variant",
    "adaptive": "knows the defense, tries to bypass it, and takes the view that is best on people of its own",
}


def target(evidence: Evidence) -> Section:
    """Card, inventory, utility and preprocessing check."""
    blocks = [*_inventory(evidence), _card(evidence), _utility(evidence), *_preprocessing(evidence)]
    return Section(id="target", title="The target", blocks=tuple(blocks))


def _card(evidence: Evidence) -> Block:
    card = evidence.files.tree(TARGET_CARD)
    if card is None:
        return evidence.missing("The card of the target", "inventory.json")
    rows: list[tuple[Cell, ...]] = [(name, _setting(value)) for name, value in flatten(card, ".").items()]
    weights = evidence.files.use(TARGET_WEIGHTS)
    return Table(
        caption="The card of the target: architecture, preprocessing and training",
        columns=("property", "value"),
        rows=(
            ("source", evidence.configuration.target.source),
            ("sha256 of the weights", weights.sha256 if weights else None),
            *rows,
        ),
        folded=True,
    )


def _setting(value: Any) -> Cell:
    if isinstance(value, list | Mapping):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else value if isinstance(value, bool | int) else str(value)


def _inventory(evidence: Evidence) -> list[Block]:
    inventory = evidence.files.tree("inventory.json")
    if inventory is None:
        return [evidence.missing("The inventory of the target's layers", "inventory.json")]
    summary, layers = summary_table(inventory), inventory_table(inventory)
    return [
        *(Paragraph(text=warning, warning=True) for warning in inventory["warnings"]),
        frame_table(summary, "What the network consists of"),
        frame_table(layers, f"Its {counted(len(layers), 'batch-normalization layer')}", folded=True),
    ]


def _utility(evidence: Evidence) -> Block:
    if not evidence.target.utility:
        return evidence.missing("The target's accuracy", "utility_metrics.json")
    return metric_table(
        {UNDEFENDED: evidence.target.utility}, "variant", "Recognition of people whom the target never saw"
    )


def _preprocessing(evidence: Evidence) -> list[Block]:
    check = evidence.files.table("preprocessing_check.csv")
    if check is None:
        return [evidence.missing("The check of how faces are prepared", "preprocessing_check.csv")]
    if check.empty:
        return [Paragraph(text="The target was trained by this audit, so it is fed as it was trained.")]
    caption = "Is the target fed as it was trained? Verification AUC with other ways to prepare faces"
    return [frame_table(check, caption)]


def inventory_table(inventory: Inventory) -> pd.DataFrame:
    """One row a BN layer, in words (`LAYER_COLUMNS`); no row if there is none.

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
    return f"{NOTHING}, not finite" if difference is None else f"{same} (differs by {difference:.1g})"


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else NOTHING if value is None else str(value)


def data(evidence: Evidence) -> Section:
    """Roles, validation, quarantine, and a look at the faces."""
    blocks = [_roles(evidence), *_validation(evidence), _quarantine(evidence), _look(evidence)]
    return Section(id="data", title="Data and validation", blocks=tuple(blocks))


def _roles(evidence: Evidence) -> Block:
    splits = evidence.files.table(SPLITS)
    if splits is None:
        return evidence.missing("Who plays which part", "faces_validation.json")
    rows = tuple(
        (role, ROLE_MEANINGS[role], int(people), int(images), int(known), decided_by)
        for role, people, images, known, decided_by in count_roles(splits).itertuples(index=False)
    )
    columns = ("role", "what it means", "people", "images", "people known to the attacker", "who decided it")
    note = "Nobody whom the attacker knows is among those by whom attacks are judged."
    return Table(caption="Who plays which part", columns=columns, rows=rows, note=note)


def _validation(evidence: Evidence) -> list[Block]:
    found = evidence.files.tree("faces_validation.json")
    if found is None:
        return [evidence.missing("What was expected of the faces", "faces_validation.json")]
    return [*validation_blocks(found, with_examples=evidence.configuration.report.show_people)]


def _quarantine(evidence: Evidence) -> Block:
    broken = evidence.files.table("quarantine.csv")
    if broken is None:
        return evidence.missing("Images that could not be read", "quarantine.csv")
    if broken.empty:
        return Paragraph(text="No image was left out.")
    counts = broken.assign(count=broken.get("count", 1))  # earlier tables have an image a row
    left_out = counted(int(counts["count"].sum()), "image or file", "images and files")
    if not evidence.configuration.report.show_people:  # reasons name images
        return Paragraph(text=f"Left out: {left_out}; quarantine.csv says why.")
    reasons = counts.groupby("reason")["count"].sum().sort_values(ascending=False, kind="stable")
    return Table(
        caption=f"Left out: {left_out}",
        columns=("reason", "images and files"),
        rows=tuple((str(reason), int(count)) for reason, count in reasons.items()),
    )


def _look(evidence: Evidence) -> Block:
    splits = evidence.files.table(SPLITS)
    roles = [] if splits is None else [words(role) for role in count_roles(splits)["role"]]
    alt = f"Sample images of the people in each role: {listed(roles)}." if roles else "Sample images of the people."
    return figure(evidence, "people.png", "A look at the faces", alt)


def threat_models(evidence: Evidence) -> Section:
    """Knowledge, attacks on membership, reconstruction, and attackers of variants."""
    blocks = (_knowledge(evidence), _attacks(evidence), _attackers(evidence), _search(evidence))
    return Section(id="threat-models", title="Threat models", blocks=blocks)


def _knowledge(evidence: Evidence) -> Block:
    options = evidence.configuration.membership
    rows: list[tuple[Cell, ...]] = [(words(name), KNOWLEDGE.get(name, "")) for name in options.threat_models]
    references = options.references
    rows.append(("reference backbones", f"{references.count}, each trained on the attacker's own faces"))
    return Table(caption="What the attacker knows", columns=("threat model", "what it means"), rows=tuple(rows))


def _attacks(evidence: Evidence) -> Block:
    rows: list[tuple[Cell, ...]] = []
    for name, attack in evidence.configuration.membership.attacks.items():
        measured = name in evidence.measured_attacks
        access = HOLDS[access_of(attack)]
        rows.append((name, listed(attack.signals), attack.model, attack.calibration or "none", access, measured))
    columns = ("attack", "signals", "model", "calibration", "attacker holds", "results are there")
    return Table(caption="Attacks on membership", columns=columns, rows=tuple(rows))


def _attackers(evidence: Evidence) -> Block:
    configuration = evidence.configuration
    named = dict.fromkeys([*configuration.attackers, *configuration.defense.attackers])
    rows = tuple((name, DOES.get(name, "")) for name in named)
    return Table(caption="What the attacker does about a defense", columns=("attacker", "what it does"), rows=rows)


def _search(evidence: Evidence) -> Block:
    settings = flatten(evidence.configuration.reconstruction.model_dump(mode="json"), ".")
    rows: list[tuple[Cell, ...]] = [
        (name, listed([str(item) for item in value]) if isinstance(value, list) else _plain(value))
        for name, value in settings.items()
    ]
    return Table(
        caption="Reconstruction: the attacker's generator and search, and who judges the result",
        columns=("setting", "value"),
        rows=tuple(rows),
        folded=True,
    )


def _plain(value: object) -> Cell:
    return value if isinstance(value, bool | int | float | str) else "none"
