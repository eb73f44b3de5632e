"""Whom reconstructions show, one by one, and which members were found."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from faceleak.metrics.agreement import Findings
from faceleak.metrics.gallery import Gallery
from faceleak.metrics.identity_match import find_controls, find_members
from faceleak.metrics.judge import Panel
from faceleak.metrics.roc import FloatArray

SIMILARITY = "member_similarity."


def findings_table(embeddings: Mapping[str, FloatArray], panel: Panel) -> pd.DataFrame:
    """Whom each reconstruction resembles most by the independent judges together: a row for each of n.

    embeddings: evaluator → (n, d). Columns: member_identity, matches_member, known (whether the attacker had images of
    that member), control_identity, matches_control, and for each evaluator the cosine to that member and that control,
    `member_similarity.<evaluator>` and `control_similarity.<evaluator>`.
    """
    names = panel.independent
    judges, of_judges = [panel.judges[name] for name in names], [embeddings[name] for name in names]
    member, control = find_members(of_judges, judges), find_controls(of_judges, judges)
    member_identity = judges[0].members.identities[member.person]
    table = pd.DataFrame(
        {
            "member_identity": member_identity,
            "matches_member": member.matches,
            "known": [identity in judges[0].known_members for identity in member_identity],
            "control_identity": judges[0].controls.identities[control.person],
            "matches_control": control.matches,
        }
    )
    for name, judge in panel.judges.items():
        table[f"{SIMILARITY}{name}"] = _cosines(embeddings[name], judge.members, member)
        table[f"control_similarity.{name}"] = _cosines(embeddings[name], judge.controls, control)
    return table


def _cosines(embeddings: FloatArray, gallery: Gallery, found: Findings) -> FloatArray:
    return np.take_along_axis(gallery.similarities(embeddings), found.person[:, None], axis=1)[:, 0]


def hit_list(findings: pd.DataFrame) -> pd.DataFrame:
    """Which members were found: a row for each encounter, step and member, most often found first.

    findings: encounter, step and the columns of `findings_table`. Columns: encounter, step, identity, known,
    reconstructions (how many match this member), and the best cosine among them for each evaluator.
    """
    keys = ["encounter", "step", "member_identity"]
    grouped = findings[findings["matches_member"]].groupby(keys, sort=False)
    best = [str(column) for column in findings.columns if str(column).startswith(SIMILARITY)]
    hits = grouped.agg(known=("known", "first"), reconstructions=("known", "size")).join(grouped[best].max())
    names = {"member_identity": "identity"} | {column: column.replace("member", "best", 1) for column in best}
    hits = hits.reset_index().rename(columns=names)
    order = ["encounter", "step", "reconstructions", "identity"]
    return hits.sort_values(order, ascending=[True, True, False, True], ignore_index=True)
