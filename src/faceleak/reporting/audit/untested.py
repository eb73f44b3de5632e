"""What the audit did not test, by the configuration and the results that are there."""

from collections.abc import Iterable, Iterator
from typing import get_args

from faceleak.defenses import registry as defenses
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ThreatModel
from faceleak.metrics.identity_level import SETTINGS
from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import SPLITS
from faceleak.reporting.audit.formats import listed
from faceleak.reporting.style import words
from faceleak.signals import registry as signals
from faceleak.words import counted, form


def untested(evidence: Evidence) -> list[str]:
    """One sentence each, those about whole parts of an audit first."""
    parts = (_missing_parts, _membership, _reconstruction, _people, _defences)
    return [sentence for part in parts for sentence in part(evidence)]


def _missing_parts(evidence: Evidence) -> Iterator[str]:
    whole = {
        "membership_metrics.json": "Whether anybody can tell who was trained on (membership inference).",
        "reconstruction_metrics.json": "Whether faces of training people can be drawn out of the model.",
        "defense_membership_metrics.json": "Whether a defence would help.",
        "comparison_metrics.json": "Other training runs of the same recipe: every number is of this one target.",
        "identity_risks.csv": "The risk of each single person.",
    }
    for file, sentence in whole.items():
        if not evidence.files.has(file):
            yield sentence


def _membership(evidence: Evidence) -> Iterator[str]:
    options = evidence.configuration.membership
    if absent := _without(get_args(ThreatModel), options.threat_models):
        yield f"Attackers of the threat model {_names(absent)}."
    if unread := _without(signals.names(), [*options.signals(), *options.blind.signals]):
        yield f"Attacks on {counted(len(unread), 'further signal', 'further signals')}: {_names(unread)}."
    if evidence.membership:
        if not evidence.membership_by("embeddings"):
            yield "Attackers who only get answers to queries: no attack reads embeddings alone."
        found = {population for populations in evidence.membership.values() for population in populations}
        if absent := _without([*POPULATIONS, *SETTINGS], found):
            yield f"Members against {_names(absent)}."
        if absent := _without(options.offline_attacks(), evidence.measured_attacks):
            yield f"The configured {'attack' if len(absent) == 1 else 'attacks'} {_names(absent)}: no results."
    subgroups = evidence.files.table("subgroups.csv")
    if subgroups is None or subgroups.empty:
        yield "Whether some groups of people are more at risk than others: no attributes were given."


def _reconstruction(evidence: Evidence) -> Iterator[str]:
    if not evidence.reconstruction:
        return
    options, search = evidence.configuration.reconstruction, evidence.configuration.reconstruction.search
    from_embeddings = evidence.files.has("targeted_metrics.json")
    if evidence.reconstructed_by == "weights" and not from_embeddings:
        yield "Reconstruction by somebody who only gets answers to queries."
    absent = _without(get_args(ThreatModel), [search.threat_model])
    yield f"Reconstruction with another generator ({options.prior.kind} was used), or by attackers of {_names(absent)}."


def _people(evidence: Evidence) -> Iterator[str]:
    splits = evidence.files.table(SPLITS)
    if splits is not None:
        members = splits[splits["role"] == "member"]
        if known := int(members.loc[members["known"], "identity"].nunique()):
            people = counted(members["identity"].nunique(), "training person", "training people")
            yield f"{known:,} of {people}: attackers of partial knowledge know {form(known, 'this one', 'them')}."
        drawn = members["identity"][members["decided_by"] == "draw"].nunique()
        if drawn and evidence.configuration.target.source != "train":
            yield (
                f"Whether {counted(drawn, 'person', 'people')} called trained on were: the backbone was handed in, and "
                "who counts as trained on was drawn. State it by the roles of sources (docs/faces.md)."
            )
    if evidence.configuration.target.source != "train":
        yield "People on whom the target was trained but whose images were not given to the audit."


def _defences(evidence: Evidence) -> Iterator[str]:
    if not evidence.files.has("defense_membership_metrics.json"):
        return
    options = evidence.configuration.defense
    if absent := _without(defenses.names(), [variant.defense for variant in options.variants]):
        yield f"The {'defence' if len(absent) == 1 else 'defences'} {_names(absent)}."
    if absent := _without([name for name in get_args(AttackerName) if name != "plain"], options.attackers):
        yield f"Defended variants against the attacker {_names(absent)}."
    if absent := _without(get_args(ThreatModel), options.threat_models):
        yield f"Defended variants against attackers of the threat model {_names(absent)}."


def _without(all_of_them: Iterable[str], these: Iterable[str]) -> list[str]:
    left_out = set(these)
    return [name for name in all_of_them if name not in left_out]


def _names(names: list[str]) -> str:
    return listed([words(name) for name in names])
