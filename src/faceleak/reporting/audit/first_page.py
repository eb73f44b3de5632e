"""The first page: what a privacy officer needs to know, made from the results."""

from collections.abc import Iterator

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.files import SPLITS
from faceleak.reporting.audit.formats import listed
from faceleak.reporting.audit.questions import answers, leaking
from faceleak.reporting.audit.recommended import best_variants
from faceleak.reporting.audit.summary import Action, Answer, Code, Summary, weightiest
from faceleak.reporting.audit.untested import untested
from faceleak.reporting.gate import broken
from faceleak.reporting.roles import count_roles
from faceleak.reporting.style import words
from faceleak.reporting.verdict import read_utility
from faceleak.words import counted

WHO = {
    "member": "trained on",
    "unseen_identity": "never seen by the target",
    "auxiliary": "of the attacker's own",
    "public": "whom everybody may use",
}
HEADLINES: dict[Code, str] = {
    "leaks": "The model gives away who it was trained on, {}.",
    "cannot conclude": "The audit cannot say whether the model gives away who it was trained on.",
    "no evidence": "The audit found no evidence that the model gives away who it was trained on.",
    "not tested": "Nothing was tested yet.",
}


def summarise(evidence: Evidence) -> Summary:
    """Make the first page."""
    both = answers(evidence)
    verdict = weightiest([answer.verdict for answer in both])
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
        "Found: the share of training images, or people, that an attack recognises where it wrongly accuses 1 % of the "
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
    if evidence.membership:
        attacks = {evidence.attacks[name].name for name in evidence.membership if name in evidence.attacks}
        models = listed([words(name) for name in configuration.membership.threat_models])
        number = counted(len(attacks), "attack", "attacks")
        yield f"Membership inference by {number} ({listed(sorted(attacks))}), by attackers of {models}."
    if evidence.reconstruction:
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
    points = evidence.files.table("privacy_utility.csv")
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
        if evidence.files.has("privacy_utility.csv"):
            yield from best_variants(evidence)
        else:
            yield Action(text="Compare defences before a release:", command=evidence.command("defense"))
    elif verdict == "cannot conclude" and (useless := read_utility(evidence.utility)):
        yield Action(text=f"Find out why {useless}. Check weights, preprocessing and alignment, then audit again.")
    elif verdict == "cannot conclude":
        yield Action(text="Audit again with more people, and with non-members photographed like the members.")
    else:
        yield Action(text="Keep this report with the release; audit again when data, recipe or target change.")
