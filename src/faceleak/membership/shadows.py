"""Attacks that shadows teach, where the shadows were defended, and undone, as the view is that the attack meets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from faceleak.membership import evidence
from faceleak.membership.attacks import Attack, code_of, fit_attack
from faceleak.membership.options import AttackOptions
from faceleak.membership.strongest import can_be_made, own_auc_of_shadows
from faceleak.signals.columns import signal_of
from faceleak.work.pieces import code_version, fingerprint, remembered_json

IMAGE = ("reference", "image_id", "identity", "role", "is_member")


def fit_on_shadows(
    view: str,
    shadow_signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    attacks: Mapping[str, AttackOptions],
    several: bool,
    cache: Path,
) -> dict[str, Attack]:
    """Fit all attacks that can be made on the view, or find them in the cache; by the names in `attacks`.

    shadow_signals: reference, image_id and columns, read off each reference as it is in this view; reference_signals:
    the same of the references as they were trained, with identity, role and is_member, which calibrate as they do for
    the target. several: whether the attacker has to choose among views of the variant.
    """
    return {
        name: _fit(_read(shadow_signals, options), _read(reference_signals, options), options, several, cache)
        for name, options in attacks.items()
        if can_be_made(options, view, shadow_signals)
    }


def _read(table: pd.DataFrame, options: AttackOptions) -> pd.DataFrame:
    """The columns that the attack reads, and what the images are."""
    read = options.signals_read()
    return table[[column for column in table.columns if column in IMAGE or signal_of(column) in read]]


def _fit(
    shadow_signals: pd.DataFrame, reference_signals: pd.DataFrame, options: AttackOptions, several: bool, cache: Path
) -> Attack:
    piece = fingerprint(
        shadow_signals, reference_signals, options, several, code_version(__name__, *code_of([options]))
    )
    path = cache / "shadow_attacks" / f"{piece}.json"

    def make() -> dict[str, Any]:
        shadows = evidence.of_references(reference_signals, shadow_signals=shadow_signals)
        attack = fit_attack(shadows, options)
        if several:
            attack = replace(attack, own_auc=own_auc_of_shadows(shadows, options))
        return attack.to_dict()

    return Attack.from_dict(remembered_json(path, make))
