"""From signals to scores: fit each attack on what its threat model allows, score the images it does not know."""

from collections.abc import Mapping, Sequence
from typing import get_args

import pandas as pd

from faceleak.errors import FaceleakError
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


class MissingSignalsError(FaceleakError):
    """Images that an attack needs have no signals."""


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
    splits: pd.DataFrame,
    attacks: Mapping[str, AttackOptions],
    threat_models: Sequence[ThreatModel],
) -> AttackModels:
    """Fit every attack under every threat model for every view in `signals`.

    `signals` has view, image_id and the signals' columns; `reference_signals` has reference, image_id, identity,
    is_member and the same columns, read off the attacker's own backbones.
    """
    known = known_images(splits)[["image_id", "identity", "is_member"]]
    fitted: AttackModels = {}
    for view, of_view in signals.groupby("view", sort=False):
        knowledge: dict[ThreatModel, pd.DataFrame] = {
            "partial_knowledge": _with_signals(known, of_view),
            "shadow": reference_signals,
        }
        fitted[str(view)] = {
            model_name(name, threat_model): _fit(knowledge[threat_model], attack)
            for threat_model in threat_models
            for name, attack in attacks.items()
        }
    return fitted


def _with_signals(images: pd.DataFrame, signals: pd.DataFrame) -> pd.DataFrame:
    joined = images.merge(signals, on="image_id", validate="one_to_one")
    if missing := len(images) - len(joined):
        raise MissingSignalsError(
            f"{missing} of {len(images)} images have no signals: the splits have changed since signals were read. "
            "Run the membership pipeline again."
        )
    return joined


def _fit(table: pd.DataFrame, attack: AttackOptions) -> AttackModel:
    columns = [column for signal in attack.signals for column in columns_of(signal, table)]
    return fit_attack(table, columns, attack.regularisation)


def score_images(
    signals: pd.DataFrame,
    models: Mapping[str, Mapping[str, AttackModel]],
    splits: pd.DataFrame,
    attackers: Sequence[AttackerName],
) -> pd.DataFrame:
    """Score the images that no attacker knows, in every encounter. A higher score says member.

    One row an image and attack (`SCORE_COLUMNS`); `population` is `member` for members.
    """
    evaluated = evaluated_images(splits)
    tables = []
    for meeting in encounters(signals["view"].unique(), attackers):
        rows = _with_signals(evaluated, signals[signals["view"] == meeting.view])
        tables += [_scored(rows, model, meeting, name) for name, model in models[meeting.fitted_on].items()]
    return pd.concat(tables, ignore_index=True)


def score_blind(blind_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Fit and score the blind baseline, which never sees a target; same columns as `score_images`."""
    columns = [column for column in blind_signals.columns if column != "image_id"]
    known = _with_signals(known_images(splits), blind_signals)
    model = fit_attack(known, columns, options.blind.regularisation)
    rows = _with_signals(evaluated_images(splits), blind_signals)
    return _scored(rows, model, Encounter("", "plain", "", ""), model_name(BLIND, "partial_knowledge"))


def _scored(rows: pd.DataFrame, model: AttackModel, meeting: Encounter, name: str) -> pd.DataFrame:
    attack, threat_model = parse_model_name(name)
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
