"""How much each person stands out in a backbone before an erasure and after it: one score a person, by each attacker.

An attack is fitted on people whom the attacker knows and who are not to be erased, on each backbone anew. A higher
score says that the backbone was trained on the person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from faceleak.backbones.backbone import Backbone
from faceleak.bypasses import OwnFaces
from faceleak.bypasses import registry as bypasses
from faceleak.defenses.tasks import ViewTask, bypass_all
from faceleak.erasure.groups import ERASED, NEVER_IN, SCORE_COLUMNS, STAYS
from faceleak.erasure.options import ErasureAttacker
from faceleak.erasure.tasks import Run
from faceleak.faces.store import FaceStore
from faceleak.membership.attacks import fit_attack
from faceleak.membership.inputs import AttackInput
from faceleak.signals.columns import columns_of
from faceleak.signals.readable import readable
from faceleak.signals.reading import read_signals
from faceleak.work.compute import ComputeOptions, run_tasks

BEFORE = Run(-1, "before", 0)  # the target itself


@dataclass(frozen=True)
class Look:
    """A backbone as an attacker looks at it: after a bypass, or none."""

    run: Run
    bypass: str | None


@dataclass(frozen=True)
class Judges:
    """What all people are judged by.

    store, panel: their images, as `panel_of` gives them. anchors: image_id of faces that others are compared with. own:
    the faces that a bypass takes.
    """

    store: FaceStore
    panel: pd.DataFrame
    anchors: pd.DataFrame
    own: OwnFaces
    compute: ComputeOptions


def score_erasures(
    target: Backbone,
    erased: Mapping[Run, Backbone],
    people: pd.DataFrame,
    attackers: Mapping[str, ErasureAttacker],
    judges: Judges,
) -> pd.DataFrame:
    """Score every person of the panel whom no attack is fitted on, in every run: `SCORE_COLUMNS`, a row a person.

    people: draw and identity of the erased people. group: `erased`, `stays` (trained on, and not erased), `never in`.
    An attacker whose signals a backbone does not give is left out there.
    """
    backbones = {BEFORE: target, **erased}
    signals = _read_all(backbones, attackers, judges)
    tables = []
    for run in erased:
        of_draw = frozenset(people.loc[people["draw"] == run.draw, "identity"])
        for name, attacker in attackers.items():
            looks = [Look(which, attacker.bypass) for which in (BEFORE, run)]
            if not all(look in signals for look in looks):
                continue
            before, after = (_by_person(signals[look], judges.panel, of_draw, attacker) for look in looks)
            if before is None or after is None:
                continue
            scored = before.rename(columns={"score": "before"}).assign(after=after["score"])
            tables.append(scored.assign(draw=run.draw, method=run.method, seed=run.seed, attacker=name)[SCORE_COLUMNS])
    return pd.concat(tables, ignore_index=True)


def _read_all(
    backbones: Mapping[Run, Backbone], attackers: Mapping[str, ErasureAttacker], judges: Judges
) -> dict[Look, pd.DataFrame]:
    names: dict[str | None, list[str]] = {}
    for attacker in attackers.values():
        wanted = names.setdefault(attacker.bypass, [])
        wanted += [signal for signal in sorted(attacker.signals_read()) if signal not in wanted]
    tasks = {
        Look(run, bypass): ViewTask(backbone, bypass, judges.own)
        for bypass in names
        if bypass is not None
        for run, backbone in backbones.items()
        if bypasses.possible([bypass], backbone)
    }
    looks = {Look(run, None): backbone for run, backbone in backbones.items() if None in names}
    looks |= bypass_all(tasks, judges.compute)
    read = partial(_read, judges=judges)
    tables = run_tasks(read, [(backbone, names[look.bypass]) for look, backbone in looks.items()], judges.compute)
    return dict(zip(looks, tables, strict=True))


def _read(task: tuple[Backbone, Sequence[str]], judges: Judges) -> pd.DataFrame:
    backbone, names = task
    given = readable(names, backbone)
    return read_signals(given, backbone, judges.store, judges.panel, judges.compute, judges.anchors)


def _by_person(
    signals: pd.DataFrame, panel: pd.DataFrame, erased: frozenset[str], attacker: ErasureAttacker
) -> pd.DataFrame | None:
    """identity, group, images and score of everybody whom the attack is not fitted on; None if it cannot read."""
    given = [signal for signal in attacker.signals if columns_of(signal, signals)]
    if not given:
        return None
    attack_options = attacker.model_copy(update={"signals": given})
    is_erased = panel["identity"].isin(erased).to_numpy(bool)
    fitted_on = panel["known"].to_numpy(bool) & ~is_erased
    attack = fit_attack([_shown(signals, panel, fitted_on)], attack_options, with_threshold=False)
    judged = panel[~fitted_on].assign(
        score=attack.score(_shown(signals, panel, ~fitted_on)),
        group=np.where(is_erased, ERASED, np.where(panel["is_member"], STAYS, NEVER_IN))[~fitted_on],
    )
    people = judged.groupby(["identity", "group"], sort=True)["score"].agg(["mean", "size"]).reset_index()
    return people.rename(columns={"mean": "score", "size": "images"})


def _shown(signals: pd.DataFrame, panel: pd.DataFrame, rows: np.ndarray) -> AttackInput:
    images = panel.loc[rows, ["image_id", "identity", "is_member"]].reset_index(drop=True)
    return AttackInput(images, signals[rows].reset_index(drop=True), [], np.zeros((len(images), 0), bool))
