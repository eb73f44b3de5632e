"""The two questions of EDPB Opinion 28/2024, answered from metrics, for the average and for the worst person."""

from typing import Any

from faceleak.membership.access import AttackAccess
from faceleak.metrics.membership import LOWEST_TPR
from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.formats import listed, percent
from faceleak.reporting.audit.metric_tables import measured, none_accused
from faceleak.reporting.audit.strongest import strongest
from faceleak.reporting.audit.summary import Answer, Code, Finding, weightiest
from faceleak.reporting.audit.worst_person import worst_person
from faceleak.reporting.style import words
from faceleak.reporting.verdict import interval_text, read_membership, read_utility

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
TPR = "tpr_at_fpr_1pct"
JUDGES_KNOW = 0.1  # of real photographs of members: below, faces that were drawn well would go unnoticed too
WITHOUT_TARGET = "untrained_guided"  # the step of a search guided by a network that learnt nothing


def answers(evidence: Evidence) -> tuple[Answer, ...]:
    """Both questions."""
    return tuple(_answer(evidence, question, *means) for question, means in QUESTIONS.items())


def _answer(evidence: Evidence, question: str, accesses: tuple[AttackAccess, ...], means: str) -> Answer:
    attacks = evidence.membership_by(*accesses)
    readings = [*_membership_readings(evidence, attacks), *_reconstruction_readings(evidence, accesses)]
    verdict = weightiest([code for code, _ in readings])
    average = [*_membership_findings(attacks), *_reconstruction_findings(evidence, accesses)]
    return Answer(
        question=question,
        means=means,
        verdict=verdict,
        reasons=tuple(dict.fromkeys(reason for code, reason in readings if code == verdict)),
        average=tuple(average),
        worst=tuple(worst_person(evidence, attacks, accesses)),
    )


def _membership_readings(evidence: Evidence, attacks: dict[str, Any]) -> list[tuple[Code, str]]:
    found: list[tuple[Code, str]] = []
    for population in dict.fromkeys(name for populations in attacks.values() for name in populations):
        code, reason = read_membership(attacks, population, evidence.blind.get(population), evidence.utility)
        found.append((code, f"{words(population)}: {reason}."))
    return found


def _membership_findings(attacks: dict[str, Any]) -> list[Finding]:
    findings = []
    for population, asked in ASKED.items():
        if best := strongest(attacks, population, TPR):
            name, numbers = best
            share, accused = measured(numbers, TPR), ""
        elif best := strongest(attacks, population, LOWEST_TPR):
            name, numbers = best
            share, accused = measured(numbers, LOWEST_TPR), f", {none_accused(numbers)}"
        else:
            continue
        findings.append(Finding(asked=asked, answer=f"{percent(share)} found{accused}", found=share, attack=name))
    return findings


def reconstructs(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> bool:
    """Whether who has these accesses could have made the reconstructions that were judged."""
    return evidence.reconstructed_by in accesses


def _optimised(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> dict[str, Any]:
    if not reconstructs(evidence, accesses):
        return {}
    return {attack: steps["optimised"] for attack, steps in evidence.reconstruction.items() if "optimised" in steps}


def _without_target(evidence: Evidence, attack: str) -> float | None:
    """The lower bound of the match advantage of the same search without the target, where it was measured."""
    return measured(evidence.reconstruction[attack].get(WITHOUT_TARGET, {}), "match_advantage").low


def _judges_are_blind(numbers: dict[str, Any]) -> str | None:
    """That the judges hardly know members in real photographs; None where they do, or where nobody measured it."""
    high = measured(numbers, "photograph_match_rate").high
    if high is None or high > JUDGES_KNOW:
        return None
    return f"the judges find members in {interval_text(numbers, 'photograph_match_rate')} of real photographs of them"


def _reconstruction_readings(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> list[tuple[Code, str]]:
    found: list[tuple[Code, str]] = []
    useless = read_utility(evidence.utility)
    for attack, numbers in _optimised(evidence, accesses).items():
        told = interval_text(numbers, "match_advantage", "+.3f")
        low, without = measured(numbers, "match_advantage").low, _without_target(evidence, attack)
        if useless:
            found.append(("cannot conclude", f"reconstruction by {attack}: {useless}. Match advantage {told}."))
        elif without is not None and without > 0:
            found.append(("cannot conclude", f"reconstruction by {attack}: a search without the target finds members."))
        elif low is None:
            found.append(("cannot conclude", f"reconstruction by {attack}: no interval of the match advantage."))
        elif low > 0:
            found.append(("leaks", f"reconstruction by {attack}: faces match members more than controls, by {told}."))
        elif (blind := _judges_are_blind(numbers)) is not None:
            found.append(("cannot conclude", f"reconstruction by {attack}: {blind}."))
        else:
            found.append(("no evidence", f"reconstruction by {attack}: match advantage {told}, which includes 0."))
    return found


def _reconstruction_findings(evidence: Evidence, accesses: tuple[AttackAccess, ...]) -> list[Finding]:
    findings = []
    for attack, numbers in _optimised(evidence, accesses).items():
        member, control = (measured(numbers, f"{who}_match_rate") for who in ("member", "control"))
        answer = f"{percent(member)} match a training person; {percent(control)} match others by chance"
        asked = "Do faces drawn with the model’s help show training people?"
        findings.append(Finding(asked=asked, answer=answer, found=member, attack=attack))
    return findings


def verdict_in_words(answer: Answer) -> str:
    """What a reader takes from the verdict."""
    said = {
        "leaks": "Yes",
        "cannot conclude": "Cannot be said",
        "no evidence": "No evidence of it",
        "not tested": "Not tested",
    }
    return said[answer.verdict]


def leaking(found: tuple[Answer, ...]) -> str:
    """The ways by which the model leaks: from the weights, by queries, or both."""
    ways = ("from its weights", "by queries")
    return listed([way for way, answer in zip(ways, found, strict=True) if answer.verdict == "leaks"])
