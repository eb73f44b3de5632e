"""Several targets: the same people drawn anew into members and strangers, attacked in the same way each time."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from faceleak.faces.options import PersonRole, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership import evidence
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.attacks import Attack
from faceleak.membership.calibration import bavaria
from faceleak.membership.knowledge import check_disjoint, evaluated_images
from faceleak.membership.options import MembershipOptions
from faceleak.membership.scoring import Attacks, fit_attacks, score_images

DRAWN_ROLES: tuple[PersonRole, ...] = ("member", "unseen_identity")


def target_name(number: int) -> str:
    """Name of a repeated target; the first is the audited one."""
    return f"target_{number}"


def draw_targets(manifest: pd.DataFrame, splits: pd.DataFrame, options: SplitOptions, targets: int) -> pd.DataFrame:
    """Draw roles for `targets` targets among the evaluated people: the columns of `splits`, and target.

    The first target keeps the roles that it has in `splits`; for each other one, who is a member, which of their images
    are trained on, and whom the attacker knows are drawn anew, with as many people in each role. Raises
    IdentityOverlapError where one of them is among the attacker's own people.
    """
    first = with_role(splits, *EVALUATED_ROLES)
    check_disjoint(splits.loc[~splits["role"].isin(EVALUATED_ROLES), "identity"], first["identity"])
    images = manifest[manifest["identity"].isin(first["identity"])]
    roles = {role: options.roles[role] for role in DRAWN_ROLES}
    drawn = [
        split(images, options.model_copy(update={"roles": roles, "seed": options.seed + number}))
        for number in range(1, targets)
    ]
    tables = {target_name(number): table for number, table in enumerate([first, *drawn])}
    return pd.concat(tables, names=["target", None]).reset_index("target").reset_index(drop=True)


def by_target(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each target and its rows, in the order in which they were drawn."""
    for name, rows in table.groupby("target", sort=False):
        yield str(name), rows.drop(columns="target").reset_index(drop=True)


def fit_all(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
) -> Attacks:
    """Fit every attack on every target: target → attack → fitted. Shadows are the same for all, and fitted once.

    All tables but `reference_signals` have the column target; otherwise as for `fit_attacks`.
    """
    of_target = dict(by_target(signals)), dict(by_target(calibration_signals))
    fitted: Attacks = {}
    shadows: dict[str, Attack] = {}
    for name, splits in by_target(target_splits):
        tables = of_target[0][name].assign(view=UNDEFENDED), reference_signals, of_target[1][name]
        if "shadow" in options.threat_models and not shadows:
            shadows = fit_attacks(*tables, splits, options.attacks, ["shadow"])[UNDEFENDED]
        known = [threat_model for threat_model in options.threat_models if threat_model != "shadow"]
        fitted[name] = (fit_attacks(*tables, splits, options.attacks, known)[UNDEFENDED] if known else {}) | shadows
    return fitted


def score_all(
    signals: pd.DataFrame, calibration_signals: pd.DataFrame, fitted: Attacks, target_splits: pd.DataFrame
) -> pd.DataFrame:
    """Score the images that no attacker knows, for every target: the columns of `score_images`, and target."""
    of_target = dict(by_target(signals)), dict(by_target(calibration_signals))
    tables = {
        name: score_images(
            of_target[0][name].assign(view=UNDEFENDED),
            of_target[1][name],
            {UNDEFENDED: fitted[name]},
            splits,
            ["plain"],
        )
        for name, splits in by_target(target_splits)
    }
    return pd.concat(tables, names=["target", None]).reset_index("target").reset_index(drop=True)


def record_evidence(
    signals: pd.DataFrame, calibration_signals: pd.DataFrame, fitted: Attacks, target_splits: pd.DataFrame, attack: str
) -> pd.DataFrame:
    """How far each image's score lies above what references say of it.

    Columns: target, image_id, identity, is_member, z and p_value, the image's own false-positive rate: by BaVarIA's
    predictive distribution, for backbones that never saw the person, of the attack's score before calibration. Other
    images of members' people are left out: they are no members, but the target saw the person.
    """
    of_target = dict(by_target(signals)), dict(by_target(calibration_signals))
    tables = {}
    for name, splits in by_target(target_splits):
        images = evaluated_images(splits)
        images = images[images["role"] != "same_identity"]
        seen = evidence.of_target(images, of_target[0][name], of_target[1][name])
        scores = fitted[name][attack].raw_scores(seen)
        rows = seen.images[["image_id", "identity", "is_member"]]
        smallest = np.finfo(np.float64).tiny
        p_value = np.maximum(bavaria.out_p_value(scores), smallest)
        tables[name] = rows.assign(z=bavaria.out_z(scores), p_value=p_value)
    return pd.concat(tables, names=["target", None]).reset_index("target").reset_index(drop=True)
