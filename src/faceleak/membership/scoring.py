"""From signals to scores: fit each attack on what its threat model allows, score the images it does not know."""

from collections.abc import Mapping, Sequence

import pandas as pd

from faceleak.membership.attack_models import AttackModel, fit_attack
from faceleak.membership.attackers import AttackerName, Encounter, encounters
from faceleak.membership.knowledge import evaluated_images, known_images
from faceleak.membership.options import AttackOptions, MembershipOptions, ThreatModel
from faceleak.signals.reading import columns_of

BLIND = "blind"
AttackModels = dict[str, dict[str, AttackModel]]  # view → attack and threat model → fitted attack
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


def fit_attacks(
    signals: pd.DataFrame, reference_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions
) -> AttackModels:
    """Fit every attack under every threat model for every view in `signals`.

    `signals` has view, image_id and the signals' columns; `reference_signals` has reference, image_id, identity,
    is_member and the same columns, read off the attacker's own backbones.
    """
    known = known_images(splits)[["image_id", "identity", "is_member"]]
    fitted: AttackModels = {}
    for view, of_view in signals.groupby("view", sort=False):
        knowledge: dict[ThreatModel, pd.DataFrame] = {
            "partial_knowledge": known.merge(of_view, on="image_id", validate="one_to_one"),
            "shadow": reference_signals,
        }
        fitted[str(view)] = {
            model_name(name, threat_model): _fit(knowledge[threat_model], attack)
            for threat_model in options.threat_models
            for name, attack in options.attacks.items()
        }
    return fitted


def _fit(table: pd.DataFrame, attack: AttackOptions) -> AttackModel:
    columns = [column for signal in attack.signals for column in columns_of(signal, table)]
    return fit_attack(table, columns, attack.regularisation)


def score_images(
    signals: pd.DataFrame,
    models: Mapping[str, Mapping[str, AttackModel]],
    splits: pd.DataFrame,
    options: MembershipOptions,
    attackers: Sequence[AttackerName],
) -> pd.DataFrame:
    """Score the images that no attacker knows, in every encounter. A higher score says member.

    One row an image and attack (`SCORE_COLUMNS`); `population` is `member` for members.
    """
    evaluated = evaluated_images(splits)
    tables = []
    for meeting in encounters(signals["view"].unique(), attackers):
        rows = evaluated.merge(signals[signals["view"] == meeting.view], on="image_id", validate="one_to_one")
        for threat_model in options.threat_models:
            for attack in options.attacks:
                model = models[meeting.fitted_on][model_name(attack, threat_model)]
                tables.append(_scored(rows, model, meeting, attack, threat_model))
    return pd.concat(tables, ignore_index=True)


def score_blind(blind_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Fit and score the blind baseline, which never sees a target; same columns as `score_images`."""
    columns = [column for column in blind_signals.columns if column != "image_id"]
    known = known_images(splits).merge(blind_signals, on="image_id", validate="one_to_one")
    model = fit_attack(known, columns, options.blind.regularisation)
    rows = evaluated_images(splits).merge(blind_signals, on="image_id", validate="one_to_one")
    return _scored(rows, model, Encounter("", "plain", "", ""), BLIND, "partial_knowledge")


def _scored(
    rows: pd.DataFrame, model: AttackModel, meeting: Encounter, attack: str, threat_model: str
) -> pd.DataFrame:
    score = model.score(rows)
    return rows.assign(
        variant=meeting.variant,
        attacker=meeting.attacker,
        attack=attack,
        threat_model=threat_model,
        population=rows["role"],
        score=score,
        says_member=score >= model.threshold,
    )[SCORE_COLUMNS]
