"""The first page: a summary of the results for a privacy officer."""

from collections.abc import Iterable, Iterator
from typing import get_args

from faceleak.common.words import counted, form
from faceleak.defenses import registry as defenses
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ThreatModel
from faceleak.metrics.identity_level import SETTINGS
from faceleak.metrics.membership import POPULATIONS
from faceleak.reporting.audit.evidence import POINTS, Evidence
from faceleak.reporting.audit.files import SPLITS
from faceleak.reporting.audit.parts import Action, Answer, Code, Summary, heaviest
from faceleak.reporting.audit.questions import answers, leaking
from faceleak.reporting.formats import listed
from faceleak.reporting.gate import broken
from faceleak.reporting.style import words
from faceleak.reporting.validation import count_roles
from faceleak.reporting.verdict import read_utility
from faceleak.signals import registry as signals

WHO = {
    "member": "trained on",
    "unseen_identity": "never seen by the target",
    "auxiliary": "of the attacker's own",
    "public": "whom everybody may use",
}
SITUATIONS = {
    "weights": "Where the weights are handed out",
    "embeddings": "Where only a service is offered",
}
HEADLINES: dict[Code, str] = {
    "leaks": "The model gives away who it was trained on, {}.",
    "cannot conclude": "The audit cannot say whether the model gives away who it was trained on.",
    "no evidence": "The audit found no evidence that the model gives away who it was trained on.",
    "not tested": "Nothing was tested yet.",
}


def summarize(evidence: Evidence) -> Summary:
    """Make the first page."""
    both = answers(evidence)
    verdict = heaviest([answer.verdict for answer in both])
    return Summary(
        verdict=verdict,
        headline=HEADLINES[verdict].format(leaking(both)),
        reading=_reading(evidence),
        answers=both,
        tested=tuple(_tested(evidence)),
        meaning=tuple(_meaning(verdict, both)),
        actions=tuple(_actions(evidence, verdict)),
        untested=tuple(untested(evidence)),
    )


def _reading(evidence: Evidence) -> str:
    level = f"{100 * evidence.configuration.bootstrap.level:g}"
    return (
        "Found: the share of training images, or people, that an attack recognizes where it wrongly accuses 1 % of the "
        "others (guessing finds 1 %), or none of the others if they are too few to tell what 1 % is. Brackets: "
        f"{level} % intervals over people. In parentheses: the attack."
    )


def _tested(evidence: Evidence) -> Iterator[str]:
    configuration = evidence.configuration
    trained = "trained by this audit" if configuration.target.source == "train" else "as it was handed in"
    inventory = evidence.files.tree("inventory.json")
    if inventory is not None:
        parameters = f"{inventory['parameters']:,} parameters"
        yield f"One backbone, {inventory['architecture']} ({parameters}), {trained}."
    splits = evidence.files.table(SPLITS)
    if splits is not None:
        counts = [
            f"{counted(int(people), 'person', 'people')} {WHO[role]}"
            for role, people in count_roles(splits)[["role", "people"]].itertuples(index=False)
            if role in WHO
        ]
        yield f"Faces ({configuration.faces.source}): {', '.join(counts)}."
    if measured := evidence.target.membership.tree:
        attacks = {evidence.attacks[name].attack for name in measured if name in evidence.attacks}
        models = listed([words(name) for name in configuration.membership.threat_models])
        number = counted(len(attacks), "attack", "attacks")
        yield f"Membership inference by {number} ({listed(sorted(attacks))}), by attackers of {models}."
    if evidence.target.reconstruction:
        search, prior = configuration.reconstruction.search, configuration.reconstruction.prior.kind
        drawn, of = counted(search.selected, "face"), counted(search.candidates, "candidate")
        yield f"Reconstruction of {drawn} by a generator ({prior}), out of {of}."
    yield from _more_tested(evidence)
    if evidence.changes:
        changed = counted(len({change.setting for change in evidence.changes}), "setting", "settings")
        yield f"All of this by the settings of the time, of which {changed} changed since (see Limits of the audit)."


def _more_tested(evidence: Evidence) -> Iterator[str]:
    repeated = evidence.files.tree("comparison_metrics.json")
    if repeated is not None:
        targets = counted(evidence.made_with("comparison_metrics.json").membership.targets, "target", "targets")
        yield f"Risks over {targets} of the same recipe."
    points = evidence.points
    if points is not None:
        variants = counted(points["variant"].nunique() - 1, "defended variant", "defended variants")
        yield f"{variants} against the {listed(list(points['attacker'].unique()))} attacker."


def _meaning(verdict: Code, both: tuple[Answer, ...]) -> Iterator[str]:
    if verdict == "leaks":
        yield f"That somebody is in a training set is personal data, and the model gives it away, {leaking(both)}."
        yield (
            "EDPB Opinion 28/2024 calls a model anonymous only where both likelihoods are insignificant for every "
            "person, by all means reasonably likely to be used. These results speak against it."
        )
    elif verdict == "no evidence":
        yield "The attackers of this audit found nothing, with these people and this target. That is no certificate."
    elif verdict == "cannot conclude":
        yield "The results neither show a leak nor speak against one. Do not read them as a pass."
    for answer in both:
        if answer.verdict in ("cannot conclude", "no evidence"):
            yield f"{answer.question} {answer.reasons[0]}"


def _actions(evidence: Evidence, verdict: Code) -> Iterator[Action]:
    if verdict == "not tested":
        yield Action(text="Run the attacks:", command=evidence.command("attack"))
        return
    gate = evidence.files.tree("gate.json")
    if violated := sum(not policy["passed"] for policy in gate or []):
        yield Action(text=f"Do not release it as it is: {broken(violated, len(gate), 'release ')}.")
    yield from _after(verdict, evidence)
    if not evidence.files.has("identity_risks.csv"):
        yield Action(text="Have the risk of each person told:", command=evidence.command("repeats"))
    if gate is None:
        yield Action(text="Judge the release by the configured policies:", command=evidence.command("gate"))


def _after(verdict: Code, evidence: Evidence) -> Iterator[Action]:
    if verdict == "leaks":
        personal = "Treat the undefended weights as personal data of the training people: who gets them, why, how long."
        yield Action(text=personal)
        yield from _recommended(evidence)
    elif verdict == "cannot conclude" and (useless := read_utility(evidence.target.utility)):
        yield Action(text=f"Find out why {useless}. Check weights, preprocessing and alignment, then audit again.")
    elif verdict == "cannot conclude":
        yield Action(text="Audit again with more people, and with non-members photographed like the members.")
    else:
        yield Action(text="Keep this report with the release; audit again when data, recipe or target change.")


def _recommended(evidence: Evidence) -> Iterator[Action]:
    """What the comparison of defenses recommends, without its numbers, or what to do if nobody has asked for it."""
    if not evidence.files.has(POINTS):
        yield Action(text="Compare defenses before a release:", command=evidence.command("defense"))
    elif evidence.recommendation is None:
        yield Action(text="Have a defense recommended:", command=evidence.command("defense"))
    else:
        for choice in evidence.recommendation.choices:
            verdict = f"{SITUATIONS[choice.access]}: {choice.verdict()}"
            yield Action(text=f"{verdict} (numbers and goal: see Defenses).")


def untested(evidence: Evidence) -> list[str]:
    """What the audit did not test, one sentence each, those about whole parts of an audit first."""
    parts = (
        _missing_parts,
        _untested_membership,
        _untested_reconstruction,
        _untested_people,
        _untested_defenses,
    )
    return [sentence for part in parts for sentence in part(evidence)]


def _missing_parts(evidence: Evidence) -> Iterator[str]:
    whole = {
        "membership_metrics.json": "Whether anybody can tell who was trained on (membership inference).",
        "reconstruction_metrics.json": "Whether faces of training people can be drawn out of the model.",
        "defense_membership_metrics.json": "Whether a defense would help.",
        "comparison_metrics.json": "Other training runs of the same recipe: every number is of this one target.",
        "identity_risks.csv": "The risk of each single person.",
    }
    for file, sentence in whole.items():
        if not evidence.files.has(file):
            yield sentence


def _untested_membership(evidence: Evidence) -> Iterator[str]:
    options = evidence.configuration.membership
    if absent := _without(get_args(ThreatModel), options.threat_models):
        yield f"Attackers of the threat model {_names(absent)}."
    if unread := _without(signals.names(), [*options.signals(), *options.blind.signals]):
        yield f"Attacks on {counted(len(unread), 'further signal', 'further signals')}: {_names(unread)}."
    if evidence.target.membership.tree:
        if not evidence.membership_by("embeddings").tree:
            yield "Attackers who only get answers to queries: no attack reads embeddings alone."
        if absent := _without([*POPULATIONS, *SETTINGS], evidence.target.membership.populations):
            yield f"Members against {_names(absent)}."
        if absent := _without(options.offline_attacks(), evidence.measured_attacks):
            yield f"The configured {'attack' if len(absent) == 1 else 'attacks'} {_names(absent)}: no results."
    subgroups = evidence.files.table("subgroups.csv")
    if subgroups is None or subgroups.empty:
        yield "Whether some groups of people are more at risk than others: no attributes were given."


def _untested_reconstruction(evidence: Evidence) -> Iterator[str]:
    if not evidence.target.reconstruction:
        return
    options, search = evidence.configuration.reconstruction, evidence.configuration.reconstruction.search
    from_embeddings = evidence.files.has("targeted_metrics.json")
    if evidence.reconstructed_by == "weights" and not from_embeddings:
        yield "Reconstruction by somebody who only gets answers to queries."
    absent = _without(get_args(ThreatModel), [search.threat_model])
    yield f"Reconstruction with another generator ({options.prior.kind} was used), or by attackers of {_names(absent)}."


def _untested_people(evidence: Evidence) -> Iterator[str]:
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


def _untested_defenses(evidence: Evidence) -> Iterator[str]:
    if not evidence.files.has("defense_membership_metrics.json"):
        return
    options = evidence.configuration.defense
    if absent := _without(defenses.names(), [variant.defense for variant in options.variants]):
        yield f"The {'defense' if len(absent) == 1 else 'defenses'} {_names(absent)}."
    if absent := _without([name for name in get_args(AttackerName) if name != "plain"], options.attackers):
        yield f"Defended variants against the attacker {_names(absent)}."
    if absent := _without(get_args(ThreatModel), options.threat_models):
        yield f"Defended variants against attackers of the threat model {_names(absent)}."


def _without(all_of_them: Iterable[str], these: Iterable[str]) -> list[str]:
    left_out = set(these)
    return [name for name in all_of_them if name not in left_out]


def _names(names: list[str]) -> str:
    return listed([words(name) for name in names])
