"""The two questions of EDPB Opinion 28/2024, answered from metrics, for the average and for the worst person."""

from collections.abc import Iterator

from faceleak.common.words import counted
from faceleak.membership.options import ModelKey
from faceleak.membership.views import AttackAccess
from faceleak.metrics.membership import LOWEST_TPR
from faceleak.reporting.audit.evidence import Evidence, taken_by
from faceleak.reporting.audit.parts import Answer, Code, Finding, Missing, heaviest
from faceleak.reporting.audit.sections.about import HOLDS
from faceleak.reporting.formats import TPR, interval_text, listed, measured, none_accused, number, percent
from faceleak.reporting.results import OPTIMIZED, Membership, Metrics
from faceleak.reporting.risk import SIGNIFICANT
from faceleak.reporting.style import words
from faceleak.reporting.verdict import EVALUATORS_KNOW, read_ceiling, read_utility

QUESTIONS: dict[str, tuple[tuple[AttackAccess, ...], str]] = {
    "Can personal data be extracted from the model?": (
        ("weights", "embeddings"),
        "Means: the attacker holds the weights, as everybody does to whom the model is given.",
    ),
    "Can personal data be obtained by queries?": (
        ("embeddings",),
        "Means: the attacker sends images to a service and gets embeddings back.",
    ),
}
ASKED = {
    "unseen_identity": "Was somebody’s image trained on, or is it of another person?",
    "same_identity": "Was exactly this image trained on, or another one of the same person?",
    "identity": "Was this person trained on? (with the training images)",
    "identity_other_images": "Was this person trained on? (with other images of them)",
}
WITHOUT_TARGET = "untrained_guided"  # the step of a search guided by a network that learnt nothing


def answers(evidence: Evidence) -> tuple[Answer, ...]:
    """Both questions."""
    return tuple(_answer(evidence, question, *means) for question, means in QUESTIONS.items())


def _answer(evidence: Evidence, question: str, accesses: tuple[AttackAccess, ...], means: str) -> Answer:
    attacks = evidence.membership_by(*accesses)
    readings = [*_membership_readings(attacks), *_reconstruction_readings(evidence, accesses)]
    verdict = heaviest([code for code, _ in readings])
    average = [*_membership_findings(attacks), *_reconstruction_findings(evidence, accesses)]
    return Answer(
        question=question,
        means=means,
        verdict=verdict,
        reasons=tuple(dict.fromkeys(reason for code, reason in readings if code == verdict)),
        average=tuple(average),
        worst=tuple(_worst_person(evidence, attacks, accesses)),
    )


def _membership_readings(attacks: Membership) -> list[tuple[Code, str]]:
    readings = {population: attacks.reading(population) for population in attacks.populations}
    return [(verdict, f"{words(population)}: {reason}.") for population, (verdict, reason) in readings.items()]


def _membership_findings(attacks: Membership) -> list[Finding]:
    findings = []
    for population, asked in ASKED.items():
        if best := attacks.strongest(population, TPR):
            name, numbers = best
            share, accused = measured(numbers, TPR), ""
        elif best := attacks.strongest(population, LOWEST_TPR):
            name, numbers = best
            share, accused = measured(numbers, LOWEST_TPR), f", {none_accused(numbers)}"
        else:
            continue
        findings.append(Finding(asked=asked, answer=f"{percent(share)} found{accused}", found=share, attack=name))
    return findings


def _reconstructs(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> bool:
    """Whether an attacker with these accesses could have made the evaluated reconstructions."""
    return evidence.reconstructed_by in accesses


def _optimized(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> dict[str, Metrics]:
    return evidence.target.optimized if _reconstructs(evidence, accesses) else {}


def _without_target(evidence: Evidence, attack: str) -> float | None:
    """The lower bound of the match advantage of the same search without the target, if it was measured."""
    return measured(evidence.target.reconstruction[attack].get(WITHOUT_TARGET, {}), "match_advantage").low


def _evaluators_are_blind(numbers: Metrics) -> str | None:
    """That the evaluators hardly know members in real photographs; None if they do, or if nobody measured it."""
    high = measured(numbers, "photograph_match_rate").high
    if high is None or high > EVALUATORS_KNOW:
        return None
    return (
        f"the evaluators find members in {interval_text(numbers, 'photograph_match_rate')} of real photographs of them"
    )


def _reconstruction_readings(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> list[tuple[Code, str]]:
    found: list[tuple[Code, str]] = []
    useless = read_utility(evidence.target.utility)
    for attack, numbers in _optimized(evidence, accesses).items():
        told = interval_text(numbers, "match_advantage")
        low, without = measured(numbers, "match_advantage").low, _without_target(evidence, attack)
        if useless:
            found.append(("cannot conclude", f"reconstruction by {attack}: {useless}. Match advantage {told}."))
        elif without is not None and without > 0:
            found.append(("cannot conclude", f"reconstruction by {attack}: a search without the target finds members."))
        elif low is None:
            found.append(("cannot conclude", f"reconstruction by {attack}: no interval of the match advantage."))
        elif low > 0:
            found.append(("leaks", f"reconstruction by {attack}: faces match members more than controls, by {told}."))
        elif (blind := _evaluators_are_blind(numbers)) is not None:
            found.append(("cannot conclude", f"reconstruction by {attack}: {blind}."))
        elif (undrawable := read_ceiling(evidence.target.reconstruction[attack])) is not None:
            found.append(("cannot conclude", f"reconstruction by {attack}: {undrawable}."))
        else:
            found.append(("no evidence", f"reconstruction by {attack}: match advantage {told}, which includes 0."))
    return found


def _reconstruction_findings(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> list[Finding]:
    findings = []
    for attack, numbers in _optimized(evidence, accesses).items():
        member, control = (measured(numbers, f"{who}_match_rate") for who in ("member", "control"))
        answer = f"{percent(member)} match a training person; {percent(control)} match others by chance"
        asked = "Do faces drawn with the model’s help show training people?"
        findings.append(Finding(asked=asked, answer=answer, found=member, attack=attack))
    return findings


def leaking(found: tuple[Answer, ...]) -> str:
    """The ways by which the model leaks: from the weights, by queries, or both."""
    ways = ("from its weights", "by queries")
    return listed([way for way, answer in zip(ways, found, strict=True) if answer.verdict == "leaks"])


def _worst_person(
    evidence: Evidence, attacks: Membership, accesses: tuple[AttackAccess, ...]
) -> Iterator[Finding | Missing]:
    """What is known of single people, for attackers with these accesses."""
    yield from _recognized_for_sure(attacks)
    yield _by_record(evidence, accesses)
    if evidence.target.reconstruction and _reconstructs(evidence, accesses):
        yield from _found_in_reconstructions(evidence)


def _recognized_for_sure(attacks: Membership) -> Iterator[Finding]:
    if best := attacks.strongest("identity", LOWEST_TPR):
        name, numbers = best
        share = measured(numbers, LOWEST_TPR)
        yield Finding(
            asked="Is anybody recognized where none of the others is accused?",
            answer=f"{percent(share)} of people, {none_accused(numbers)}",
            found=share,
            attack=name,
        )


def _by_record(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> Finding | Missing:
    asked = "Does the model remember somebody in particular?"
    options = evidence.made_with("comparison_metrics.json").membership
    risks, risk = evidence.risks, options.risk
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
    return Finding(asked=asked, answer=answer, attack=ModelKey(risk.attack, risk.threat_model).name)


def _found_in_reconstructions(evidence: Evidence) -> Iterator[Finding | Missing]:
    asked = "Whose face was drawn out of the model?"
    hits = evidence.hits
    if hits is None:
        yield from _counted_only(evidence, asked)
        return
    optimized = hits[hits["step"] == OPTIMIZED]
    unknown = optimized[~optimized["known"].astype(bool)]
    most = 0 if optimized.empty else int(optimized["reconstructions"].max())
    yield Finding(asked=asked, answer=recognized(len(optimized), len(unknown), most))


def recognized(people: int, unknown: int, most: int) -> str:
    """Say how many training people were, of how many the attacker had no image, and in how many faces one of them."""
    if not people:
        return "No training person was recognized"
    faces = counted(most, "face")
    if people == 1:
        return (
            f"1 training person was recognized, in {faces}; the attacker had {'no' if unknown else 'an'} image of them"
        )
    had = f"no image of {unknown:,} of them" if unknown else "images of all of them"
    had = "no image of any of them" if unknown == people else had
    return f"{people:,} training people were recognized, one of them in {faces}; the attacker had {had}"


def _counted_only(evidence: Evidence, asked: str) -> Iterator[Finding]:
    for attack, steps in evidence.target.reconstruction.items():
        distinct = steps.get(OPTIMIZED, {}).get("distinct_members")
        if distinct is not None:
            people = counted(int(distinct), "training person was", "training people were")
            yield Finding(asked=asked, answer=f"{people} matched by a drawn face; nobody listed whom", attack=attack)
