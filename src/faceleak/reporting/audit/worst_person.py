"""The worst person: risk record by record, who was found in reconstructions, and who is recognised for sure."""

from collections.abc import Iterator
from typing import Any

from faceleak.membership.access import AttackAccess
from faceleak.metrics.membership import LOWEST_TPR
from faceleak.reporting.audit.evidence import Evidence, taken_by
from faceleak.reporting.audit.formats import number, percent
from faceleak.reporting.audit.metric_tables import measured, none_accused
from faceleak.reporting.audit.parts import Missing
from faceleak.reporting.audit.people import hits_of_target, people_at_risk
from faceleak.reporting.audit.sections.threat_models import HOLDS
from faceleak.reporting.audit.strongest import strongest
from faceleak.reporting.audit.summary import Finding
from faceleak.reporting.risk import SIGNIFICANT
from faceleak.words import counted


def worst_person(
    evidence: Evidence, attacks: dict[str, Any], accesses: tuple[AttackAccess, ...]
) -> Iterator[Finding | Missing]:
    """What is known of single people, for attackers with these accesses."""
    yield from _recognised_for_sure(attacks)
    yield _by_record(evidence, accesses)
    if evidence.reconstruction and evidence.reconstructed_by in accesses:
        yield from _found_in_reconstructions(evidence)


def _recognised_for_sure(attacks: dict[str, Any]) -> Iterator[Finding]:
    if best := strongest(attacks, "identity", LOWEST_TPR):
        name, numbers = best
        share = measured(numbers, LOWEST_TPR)
        yield Finding(
            asked="Is anybody recognised where none of the others is accused?",
            answer=f"{percent(share)} of people, {none_accused(numbers)}",
            found=share,
            attack=name,
        )


def _by_record(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> Finding | Missing:
    asked = "Does the model remember somebody in particular?"
    options = evidence.made_with("comparison_metrics.json").membership
    risks, risk = people_at_risk(evidence), options.risk
    if risks is None or risk is None:
        return Missing(what=asked, command=evidence.command("repeats"))
    if (access := taken_by(risk.attack, options)) not in accesses:
        needs = f"Not measured: membership.risk names {risk.attack}, which takes {HOLDS[access]}."
        return Finding(asked=asked, answer=needs)
    significant = int((risks["q_value"] <= SIGNIFICANT).sum())
    targets = int(risks["targets"].max())
    answer = (
        f"{significant:,} of {counted(len(risks), 'person stands', 'people stand')} out significantly "
        f"(q ≤ {SIGNIFICANT}); the most exposed by p = {number(float(risks['p_value'].min()))}, "
        f"over up to {counted(targets, 'target', 'targets')}"
    )
    return Finding(asked=asked, answer=answer, attack=f"{risk.attack}_{risk.threat_model}")


def _found_in_reconstructions(evidence: Evidence) -> Iterator[Finding | Missing]:
    asked = "Whose face was drawn out of the model?"
    hits = hits_of_target(evidence)
    if hits is None:
        yield from _counted_only(evidence, asked)
        return
    optimised = hits[hits["step"] == "optimised"]
    unknown = optimised[~optimised["known"].astype(bool)]
    most = 0 if optimised.empty else int(optimised["reconstructions"].max())
    yield Finding(asked=asked, answer=recognised(len(optimised), len(unknown), most))


def recognised(people: int, unknown: int, most: int) -> str:
    """Say how many training people were, of how many the attacker had no image, and in how many faces one of them."""
    if not people:
        return "No training person was recognised"
    faces = counted(most, "face")
    if people == 1:
        return (
            f"1 training person was recognised, in {faces}; the attacker had {'no' if unknown else 'an'} image of them"
        )
    had = f"no image of {unknown:,} of them" if unknown else "images of all of them"
    had = "no image of any of them" if unknown == people else had
    return f"{people:,} training people were recognised, one of them in {faces}; the attacker had {had}"


def _counted_only(evidence: Evidence, asked: str) -> Iterator[Finding]:
    for attack, steps in evidence.reconstruction.items():
        distinct = steps.get("optimised", {}).get("distinct_members")
        if distinct is not None:
            people = counted(int(distinct), "training person was", "training people were")
            yield Finding(asked=asked, answer=f"{people} matched by a drawn face; nobody listed whom", attack=attack)
