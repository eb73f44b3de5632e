"""Threat models: what the attackers of this audit know, hold and do."""

from faceleak.membership.access import access_of
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.formats import listed
from faceleak.reporting.audit.parts import Block, Cell, Section, Table
from faceleak.reporting.style import words
from faceleak.trees import flatten

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
    "static": "does not know of a defence: fitted on the undefended target",
    "refitted": "fits the attack on the defended variant",
    "adaptive": "knows the defence, tries to undo it, and takes the view that is best on people of its own",
}


def section(evidence: Evidence) -> Section:
    """Knowledge, attacks on membership, reconstruction, and attackers of variants."""
    blocks = (_knowledge(evidence), _attacks(evidence), _attackers(evidence), _reconstruction(evidence))
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
    return Table(caption="What the attacker does about a defence", columns=("attacker", "what it does"), rows=rows)


def _reconstruction(evidence: Evidence) -> Block:
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
