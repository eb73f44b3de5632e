"""Proven ε beside measured ε: a lower bound above the proof means that the proof, or what it assumes, is wrong."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.metrics.epsilon import clopper_pearson_epsilon
from faceleak.metrics.identity_level import people_as_images
from faceleak.metrics.roc import MetricError
from faceleak.options import Aggregation

ERROR_RATE = 0.05  # that any of a variant's bounds is too high by chance
CLAIM_COLUMNS = ["variant", "unit", "epsilon", "delta", "attack", "epsilon_lower_bound"]


class BrokenClaimError(MetricError):
    """An attack succeeds more often than the proven ε allows."""


def measure_claims(claims: pd.DataFrame, scores: pd.DataFrame, how: Aggregation) -> pd.DataFrame:
    """Set the highest lower bound of any attack beside each claim.

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
