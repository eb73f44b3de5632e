"""Which faces a person judges beside which people without being told, and the key that tells it afterwards."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from faceleak.options import Options

Kind = Literal["member", "control", "random"]


class Question(Options):
    """A face beside photographs of a person: does the face show this person?

    kind: a reconstruction beside the member (`member`) or the control (`control`) whom it resembles most, or a random
    latent's face beside the member whom it resembles most (`random`). The face is the one with this `number` in this
    `step` of the findings. matches: whether the independent evaluators agree that it is this person; accepted_by: which
    evaluators would accept it as this person by their threshold alone.
    """

    kind: Kind
    step: str
    number: int
    identity: str
    matches: bool
    accepted_by: dict[str, bool]


class BlindKey(Options):
    """What the page does not tell: the questions by their names in the page, and the seed that drew them."""

    sheet: str
    seed: int
    questions: dict[str, Question]


def choose_questions(
    findings: pd.DataFrame, thresholds: Mapping[str, float], per_kind: int, seed: int
) -> dict[str, Question]:
    """Draw `per_kind` questions of each kind, fewer where there are not so many faces, in random order.

    findings: step (`optimised` and `random` are drawn from), number and the columns of `findings_table`; thresholds:
    evaluator → cosine. No reconstruction is shown beside a member and again beside a control.
    """
    random = np.random.default_rng(seed)
    optimised, latents = (
        faces.iloc[random.permutation(len(faces))]
        for faces in (findings[findings["step"] == step] for step in ("optimised", "random"))
    )
    count = min(per_kind, -(-len(optimised) // 2))
    chosen: dict[Kind, pd.DataFrame] = {
        "member": optimised[:count],
        "control": optimised[count:][:count],
        "random": latents[:per_kind],
    }
    questions = [_question(kind, row, thresholds) for kind, rows in chosen.items() for _, row in rows.iterrows()]
    order = random.permutation(len(questions))
    return {f"q{place + 1}": questions[number] for place, number in enumerate(order)}


def _question(kind: Kind, row: pd.Series, thresholds: Mapping[str, float]) -> Question:
    who = "control" if kind == "control" else "member"
    accepted = {name: row[f"{who}_similarity.{name}"] >= threshold for name, threshold in thresholds.items()}
    return Question(
        kind=kind,
        step=row["step"],
        number=row["number"],
        identity=str(row[f"{who}_identity"]),
        matches=row[f"matches_{who}"],
        accepted_by=accepted,
    )
