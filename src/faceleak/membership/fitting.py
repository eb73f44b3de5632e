"""Fitted attacks from signals: each is fitted on what its threat model allows, for every view.

Shadows that teach an attack are defended, and bypassed, as the view is that the attack meets.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from faceleak.membership import inputs
from faceleak.membership.attackers import TARGET_VIEW, View, views_of
from faceleak.membership.attacks import Attack, code_of, fit_attack
from faceleak.membership.inputs import AttackInput, known_images
from faceleak.membership.options import AttackOptions, ModelKey, ThreatModel
from faceleak.membership.scoring import Attacks
from faceleak.membership.views import can_be_made, own_auc, own_auc_of_shadows, readable_columns
from faceleak.signals.columns import Column
from faceleak.work.compute import ComputeOptions, run_tasks
from faceleak.work.tasks import code_version, fingerprint, remembered_json

ONE_PROCESS = ComputeOptions(workers=1)


@dataclass(frozen=True)
class FitTask:
    """What an attacker knows of one view, and the attacks to fit on it; `one_of_several` views of a variant to try."""

    known: AttackInput
    attacks: Mapping[str, AttackOptions]
    one_of_several: bool


def fit_attacks(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    splits: pd.DataFrame,
    attacks: Mapping[str, AttackOptions],
    threat_models: Sequence[ThreatModel],
    trained_on: pd.DataFrame | None = None,
    shadow_models: Attacks | None = None,
    compute: ComputeOptions = ONE_PROCESS,
) -> Attacks:
    """Fit every attack under every threat model for every view in `signals`, views side by side if there are cores.

    With `trained_on` (reference and image_id of their training images), the references of `calibration_signals` are
    online, and so are all of the attacks.

    `signals` has variant, bypass, image_id and the signals' columns; `reference_signals` has reference, image_id,
    identity, role, is_member and the same columns, read off the attacker's own backbones for its own images;
    `calibration_signals` has reference, image_id and the columns that calibrated attacks need, for the target's images.
    `shadow_models`: view → attack → what shadows taught that were defended as the view was
    (`fit_on_shadows`); without them, the references as they are teach the attacks on all views.
    """
    known = known_images(splits)[["image_id", "identity", "is_member"]]
    online = trained_on is not None
    undefended: dict[ModelKey, Attack] = {}
    if "shadow" in threat_models and shadow_models is None:
        shadows = inputs.of_references(reference_signals, online)
        undefended = {ModelKey(name, "shadow"): fit_attack(shadows, attack) for name, attack in attacks.items()}
    views = {view: readable_columns(rows) for view, rows in views_of(signals).items()}
    possible = {
        view: [name for name in attacks if view == TARGET_VIEW or can_be_made(attacks[name], view, rows)]
        for view, rows in views.items()
    }
    own: dict[View, dict[ModelKey, Attack]] = {view: {} for view in views}
    if "partial_knowledge" in threat_models:
        tries = Counter(view.variant for view in views)
        tasks = [
            FitTask(
                inputs.of_target(known, rows, calibration_signals, trained_on),
                {name: attacks[name] for name in possible[view]},
                tries[view.variant] > 1,
            )
            for view, rows in views.items()
        ]
        own = dict(zip(views, run_tasks(_fit_task, tasks, compute), strict=True))
    fitted: Attacks = {}
    for view, names in possible.items():
        found = own[view] | (undefended if shadow_models is None else shadow_models[view.name])
        wanted = [ModelKey(name, threat_model) for threat_model in threat_models for name in names]
        fitted[view.name] = {model: found[model] for model in wanted if model in found}
    return fitted


def _fit_task(task: FitTask) -> dict[ModelKey, Attack]:
    return {
        ModelKey(name, "partial_knowledge"): _fit_on_view(task.known, options, task.one_of_several)
        for name, options in task.attacks.items()
    }


def _fit_on_view(known: AttackInput, options: AttackOptions, one_of_several: bool) -> Attack:
    attack = fit_attack([known], options)
    return replace(attack, own_auc=own_auc(known, options)) if one_of_several else attack


IMAGE = ("reference", "image_id", "identity", "role", "is_member")


def fit_on_shadows(
    view: View,
    shadow_signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    attacks: Mapping[str, AttackOptions],
    several: bool,
    cache: Path,
) -> dict[ModelKey, Attack]:
    """Fit all attacks that can be made on the view, or find them in the cache.

    shadow_signals: reference, image_id and columns, read off each reference as it is in this view; reference_signals:
    the same of the references as they were trained, with identity, role and is_member, which calibrate as they do for
    the target. several: whether the attacker has to choose among views of the variant.
    """
    return {
        ModelKey(name, "shadow"): _fit_on_shadows(
            _columns_read(shadow_signals, options), _columns_read(reference_signals, options), options, several, cache
        )
        for name, options in attacks.items()
        if can_be_made(options, view, shadow_signals)
    }


def _columns_read(table: pd.DataFrame, options: AttackOptions) -> pd.DataFrame:
    """The columns that the attack reads, and what the images are."""
    read = options.signals_read()
    return table[[column for column in table.columns if column in IMAGE or Column.parse(column).signal in read]]


def _fit_on_shadows(
    shadow_signals: pd.DataFrame, reference_signals: pd.DataFrame, options: AttackOptions, several: bool, cache: Path
) -> Attack:
    task = fingerprint(shadow_signals, reference_signals, options, several, code_version(__name__, *code_of([options])))
    path = cache / "shadow_attacks" / f"{task}.json"

    def make() -> dict[str, Any]:
        shadows = inputs.of_references(reference_signals, shadow_signals=shadow_signals)
        attack = fit_attack(shadows, options)
        if several:
            attack = replace(attack, own_auc=own_auc_of_shadows(shadows, options))
        return attack.to_dict()

    return Attack.from_dict(remembered_json(path, make))
