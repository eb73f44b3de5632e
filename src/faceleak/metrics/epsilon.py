"""Empirical lower bounds of ε: how large the ε of (ε, δ)-differential privacy must at least be to allow these scores.

Images of one person resemble each other and are mostly trained on together, so they are not independent trials: given
`identities`, one image a person is drawn at random and the others are left out. The bound is then about adding or
removing whatever decides that image's label: with all of a person's images in or out together, it bounds the ε of the
person, and that of a single image only through group privacy (ε of n images ≤ n · ε of one, at δ = 0).

Beside a proven ε, a lower bound above the proof means that the proof, or what it assumes, is wrong.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from faceleak.common.options import Aggregation
from faceleak.metrics.identity_level import people_as_images
from faceleak.metrics.roc import BoolArray, FloatArray, MetricError, check_scores

_CANDIDATES = 1000  # thresholds that are tried


def clopper_pearson_epsilon(
    scores: FloatArray,
    is_member: BoolArray,
    delta: float = 0.0,
    confidence: float = 0.95,
    identities: NDArray[Any] | None = None,
    seed: int = 0,
) -> float:
    """Bound ε from below by the error rates at one threshold, with probability `confidence`.

    scores and is_member: (n,), a higher score says member; identities: (n,), see above. Under (ε, δ)-differential
    privacy TPR ≤ e^ε · FPR + δ and TNR ≤ e^ε · FNR + δ (Kairouz, Oh, Viswanath 2015), so
    ε ≥ log((TPR − δ) / FPR), with TPR at its lower and FPR at its upper Clopper-Pearson bound, each at half of
    1 − confidence (Jagielski, Ullman, Oprea 2020), or the same of TNR and FNR. Threshold and side are chosen on a
    random half of each class and judged on the other half, so choosing needs no correction.

    The rows are taken as independent. Within one target they may not be (it may treat all images alike), so for one
    target the bound is a heuristic; with a target of its own for each row, or scores that depend on their own image
    only, it is a valid bound. At 95 % it cannot exceed log(n / 7.4), n the number
    of non-members (or members, for the other side).

    Returns ε ≥ 0. Raises MetricError if a class has fewer than two rows (people, given identities), a score is
    not finite, or delta or confidence is out of range.
    """
    _check_privacy(delta, confidence)
    rows = _independent_rows(scores, is_member, identities, seed)
    members, non_members = scores[rows[is_member[rows]]], scores[rows[~is_member[rows]]]
    if min(len(members), len(non_members)) < 2:
        raise MetricError(
            f"{len(members)} members and {len(non_members)} non-members are left, one a person, but the threshold is "
            "chosen on one half and judged on the other. Evaluate at least two people a class."
        )
    thresholds = _thresholds(np.concatenate([members[::2], non_members[::2]]))
    chosen = _bounds(members[::2], non_members[::2], thresholds, delta, confidence)  # (2, thresholds)
    side, index = np.unravel_index(int(chosen.argmax()), chosen.shape)
    judged = _bounds(members[1::2], non_members[1::2], thresholds[index : index + 1], delta, confidence)
    return max(0.0, float(judged[side, 0]))


def _bounds(
    members: FloatArray, non_members: FloatArray, thresholds: FloatArray, delta: float, confidence: float
) -> FloatArray:
    """Lower bounds of ε (2, thresholds): from members above the threshold, and from non-members below it."""
    above = [len(group) - np.searchsorted(np.sort(group), thresholds, "left") for group in (members, non_members)]
    m, n = len(members), len(non_members)
    level = (1 - confidence) / 2
    sides = [(above[0], m, above[1], n), (n - above[1], n, m - above[0], m)]
    bounds = []
    for hits, of_hits, errors, of_errors in sides:
        low = np.where(hits > 0, stats.beta.ppf(level, np.maximum(hits, 1), of_hits - hits + 1), 0.0)
        fewer = np.minimum(errors, of_errors - 1)
        high = np.where(errors < of_errors, stats.beta.ppf(1 - level, fewer + 1, of_errors - fewer), 1.0)
        with np.errstate(divide="ignore"):
            bounds.append(np.log(np.maximum(low - delta, 0.0) / high))
    return np.stack(bounds)


def _thresholds(scores: FloatArray) -> FloatArray:
    """Distinct scores, of which at most about a thousand are kept, densest towards both ends."""
    distinct = np.unique(scores)
    if len(distinct) <= _CANDIDATES:
        return distinct
    ranks = np.geomspace(1, len(distinct), _CANDIDATES // 2).astype(int) - 1
    kept: FloatArray = distinct[np.union1d(ranks, len(distinct) - 1 - ranks)]
    return kept


def _independent_rows(
    scores: FloatArray, is_member: BoolArray, identities: NDArray[Any] | None, seed: int
) -> NDArray[np.intp]:
    """Indices in random order, one a person if identities are given; which rows does not depend on their order."""
    check_scores(scores, is_member)
    codes = np.zeros(len(scores), np.intp)
    if identities is not None:
        if identities.shape != scores.shape or (missing := pd.isna(identities)).any():
            found = f"identities of shape {identities.shape}" if identities.shape != scores.shape else missing.sum()
            raise MetricError(
                f"Each of the {len(scores)} scores needs its identity, found {found}"
                f"{' missing' if identities.shape == scores.shape else ''}. Take them from the manifest."
            )
        codes = pd.factorize(identities, sort=True)[0]
    rows = np.lexsort((is_member, scores, codes))
    rows = rows[np.random.default_rng(seed).permutation(len(rows))]
    if identities is None:
        return rows
    first = np.unique(codes[rows], return_index=True)[1]
    return rows[np.sort(first)]


def _check_privacy(delta: float, confidence: float) -> None:
    if not 0 <= delta < 1 or not 0 < confidence < 1:
        raise MetricError(
            f"δ = {delta} and confidence {confidence} were asked for, but δ lies in 0…1, below 1, and a confidence "
            "between 0 and 1: 95 % is 0.95."
        )


ERROR_RATE = 0.05  # that any of a variant's bounds is too high by chance
CLAIM_COLUMNS = ["variant", "unit", "epsilon", "delta", "attack", "epsilon_lower_bound"]


class BrokenClaimError(MetricError):
    """An attack succeeds more often than the proven ε allows."""


def measure_claims(claims: pd.DataFrame, scores: pd.DataFrame, how: Aggregation) -> pd.DataFrame:
    """Compare each claim with the highest lower bound of any attack.

    claims: variant, unit (`identity` or `image`: whose data the proof is about), epsilon and delta. scores: the table
    of image scores with variant, attacker, attack and threat_model. A claim about people is measured on people, member
    against unseen, each by the scores of all their images; one about images on one image a person, trained on or not.
    All bounds of a variant hold together with probability 95 % (Bonferroni).

    Returns the claims with `attack`, the one with the highest bound, and `epsilon_lower_bound`. Raises
    BrokenClaimError where the bound lies above the claim.
    """
    rows = []
    for claim in claims.to_dict("records"):
        of_variant = scores[scores["variant"] == claim["variant"]]
        attacks = list(of_variant.groupby(["attack", "threat_model", "attacker"], sort=False))
        bounds = {
            "_".join(map(str, name)): _lower_bound(table, claim, how, 1 - ERROR_RATE / len(attacks))
            for name, table in attacks
        }
        strongest = max(bounds, key=bounds.__getitem__)
        rows.append({**claim, "attack": strongest, "epsilon_lower_bound": bounds[strongest]})
    table = pd.DataFrame(rows, columns=CLAIM_COLUMNS)
    broken = table[table["epsilon_lower_bound"] > table["epsilon"]]
    if len(broken):
        worst = broken.iloc[0]
        raise BrokenClaimError(
            f"{worst['variant']} claims ε = {worst['epsilon']:.3g} for each {worst['unit']}, but {worst['attack']} "
            f"succeeds so often that ε is at least {worst['epsilon_lower_bound']:.3g} (95 %). The proof, or what it "
            "assumes of sampling, statistics or the start, does not hold here: do not release this backbone as private."
        )
    return table


def _lower_bound(scores: pd.DataFrame, claim: Mapping[Any, Any], how: Aggregation, confidence: float) -> float:
    if claim["unit"] == "identity":
        judged = people_as_images(scores, "identity", how)
    else:
        judged = scores[scores["population"] != "unseen_identity"]
    return clopper_pearson_epsilon(
        judged["score"].to_numpy(float),
        judged["is_member"].to_numpy(bool),
        delta=claim["delta"],
        confidence=confidence,
        identities=judged["identity"].to_numpy(),
    )
