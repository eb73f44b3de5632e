"""What the comparison of defences recommends, in one sentence an access."""

from collections.abc import Iterator

from faceleak.reporting.audit.evidence import Evidence
from faceleak.reporting.audit.summary import Action

SITUATIONS = {
    "**Weights in hand.**": "Where the weights are handed out",
    "**Embeddings only.**": "Where only a service is offered",
}


def best_variants(evidence: Evidence) -> Iterator[Action]:
    """The verdicts of `recommendation.md`, without their numbers; what to do where nobody wrote one."""
    text = evidence.files.text("recommendation.md")
    if text is None:
        yield Action(text="Have a defence recommended:", command=evidence.command("defense"))
        return
    for line in text.splitlines():
        for start, situation in SITUATIONS.items():
            if line.startswith(start):
                verdict = line.removeprefix(start).strip().partition(": ")[0].replace("`", "")
                yield Action(text=f"{situation}: {verdict} (numbers and goal: see Defences).")
