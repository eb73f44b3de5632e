"""From signals to scores: fit each attack on what its threat model allows, score the images it does not know."""

from collections.abc import Mapping, Sequence
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership import evidence
from faceleak.membership.attackers import AttackerName, Encounter, encounters
from faceleak.membership.attacks import Attack, fit_attack
from faceleak.membership.evidence import Evidence, aligned
from faceleak.membership.knowledge import evaluated_images, known_images
from faceleak.membership.models import logistic
from faceleak.membership.options import AttackOptions, MembershipOptions, ThreatModel

BLIND = "blind"
Attacks = dict[str, dict[str, Attack]]  # view → attack and threat model → fitted attack
SCORE_COLUMNS = [
    "image_id",
    "identity",
    "variant",
    "attacker",
    "attack",
    "threat_model",
    "population",
    "is_member",
    "score",
    "says_member",
]


def model_name(attack: str, threat_model: str) -> str:
    """The attack's name in metrics."""
    return f"{attack}_{threat_model}"


def parse_model_name(name: str) -> tuple[str, ThreatModel]:
    """The inverse of `model_name`."""
    for threat_model in get_args(ThreatModel):
        if name.endswith(f"_{threat_model}"):
            return name.removesuffix(f"_{threat_model}"), threat_model
    raise ValueError(f"{name!r} does not end with a threat model ({', '.join(get_args(ThreatModel))})")


def fit_attacks(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    attacks: Mapping[str, AttackOptions],
    threat_models: Sequence[ThreatModel],
) -> Attacks:
    """Fit every attack under every threat model for every view in `signals`.

    `signals` has view, image_id and the signals' columns; `reference_signals` has reference, image_id, identity, role,
    is_member and the same columns, read off the attacker's own backbones for its own images; `calibration_signals` has
    reference, image_id and the columns that calibrated attacks need, for the target's images.
    """
    known = known_images(splits)[["image_id", "identity", "is_member"]]
    shadows = evidence.of_references(reference_signals) if "shadow" in threat_models else []
    of_shadows = {
        model_name(name, "shadow"): fit_attack(shadows, attack) for name, attack in attacks.items() if shadows
    }
    fitted: Attacks = {}
    for view, of_view in signals.groupby("view", sort=False):
        seen = evidence.of_target(known, of_view, calibration_signals)
        fitted[str(view)] = {
            name: of_shadows[name] if threat_model == "shadow" else fit_attack([seen], attacks[attack])
            for threat_model in threat_models
            for attack in attacks
            for name in [model_name(attack, threat_model)]
        }
    return fitted


def score_images(
    signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    fitted: Mapping[str, Mapping[str, Attack]],
    splits: pd.DataFrame,
    attackers: Sequence[AttackerName],
) -> pd.DataFrame:
    """Score the images that no attacker knows, in every encounter. A higher score says member.

    One row an image and attack (`SCORE_COLUMNS`); `population` is `member` for members.
    """
    evaluated = evaluated_images(splits)
    tables = []
    for meeting in encounters(signals["view"].unique(), attackers):
        of_view = signals[signals["view"] == meeting.view]
        seen = evidence.of_target(evaluated, of_view, calibration_signals)
        tables += [_scored(seen, attack, meeting, name) for name, attack in fitted[meeting.fitted_on].items()]
    return pd.concat(tables, ignore_index=True)


def score_blind(blind_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Fit and score the blind baseline, which never sees a target; same columns as `score_images`."""
    columns = [column for column in blind_signals.columns if column != "image_id"]
    known, evaluated = known_images(splits), evaluated_images(splits)
    labels = known[["identity", "is_member"]].reset_index(drop=True)
    table = pd.concat([labels, aligned(known, blind_signals)], axis=1)
    model = logistic.fit(table, columns, options.blind.regularisation)
    score = model.score(aligned(evaluated, blind_signals))
    nobody = Encounter("", "plain", "", "")
    return _score_table(evaluated, score, score >= model.threshold, nobody, BLIND, "partial_knowledge")


def _scored(seen: Evidence, attack: Attack, meeting: Encounter, name: str) -> pd.DataFrame:
    score = attack.score(seen)
    return _score_table(seen.images, score, score >= attack.threshold, meeting, *parse_model_name(name))


def _score_table(
    images: pd.DataFrame,
    score: NDArray[np.float64],
    says_member: NDArray[np.bool_],
    meeting: Encounter,
    attack: str,
    threat_model: ThreatModel,
) -> pd.DataFrame:
    return images.assign(
        variant=meeting.variant,
        attacker=meeting.attacker,
        attack=attack,
        threat_model=threat_model,
        population=images["role"],
        score=score,
        says_member=says_member,
    )[SCORE_COLUMNS]
