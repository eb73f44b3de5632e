"""Several targets: for each, members and non-members are drawn again among the same people; all are attacked alike."""

import numpy as np
import pandas as pd

from faceleak.faces.options import PersonRole, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership import inputs
from faceleak.membership.attackers import TARGET_VIEW, UNDEFENDED
from faceleak.membership.attacks import Attack
from faceleak.membership.calibration import bavaria
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.inputs import check_disjoint, evaluated_images
from faceleak.membership.options import MembershipOptions, ModelKey
from faceleak.membership.scoring import Attacks, score_images
from faceleak.membership.stacking import parts, stack
from faceleak.membership.views import readable_columns

TARGET = "target"
DRAWN_ROLES: tuple[PersonRole, ...] = ("member", "unseen_identity")


def target_name(number: int) -> str:
    """Name of a repeated target; the first is the audited one."""
    return f"target_{number}"


def draw_targets(manifest: pd.DataFrame, splits: pd.DataFrame, options: SplitOptions, targets: int) -> pd.DataFrame:
    """Draw roles for `targets` targets among the evaluated people: the columns of `splits`, and target.

    The first target keeps the roles that it has in `splits`; for each other one, who is a member, which of their images
    are trained on, and whom the attacker knows are drawn anew, with as many people in each role. Targets serve each
    other as online references, so draws are independent: with draws that complement each other, which references were
    trained on an image would tell whether the target was. Independent draws leave images that none of the others was
    trained on (with 5 targets a third of the demo's); calibrations fill the gap. Raises IdentityOverlapError if one
    of them is among the attacker's own people.
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
    return stack(tables, TARGET)


def training_images(target_splits: pd.DataFrame) -> pd.DataFrame:
    """Which images each target was trained on, as its online references name it: reference, image_id."""
    return with_role(target_splits, "member")[[TARGET, "image_id"]].rename(columns={TARGET: "reference"})


def fit_all(
    signals: pd.DataFrame,
    reference_signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    target_splits: pd.DataFrame,
    options: MembershipOptions,
) -> Attacks:
    """Fit every attack on every target: target → attack → fitted. Shadows are the same for all, and fitted once.

    All tables but `reference_signals` have the column target; otherwise as for `fit_attacks`. `calibration_signals`
    hold, for every target, the references and, under their own names, the other targets, with which online attacks
    calibrate.
    """
    read, calibration = parts(signals, TARGET), parts(calibration_signals, TARGET)
    trained_on = training_images(target_splits)
    known = [threat_model for threat_model in options.threat_models if threat_model != "shadow"]
    fitted: Attacks = {name: {} for name in read}
    for attacks, online in ((options.offline_attacks(), None), (options.online_attacks(), trained_on)):
        if not attacks:
            continue
        shadows: dict[ModelKey, Attack] = {}
        for name, splits in parts(target_splits, TARGET).items():
            references = _references(calibration[name], trained_on, online is not None)
            tables = read[name].assign(**TARGET_VIEW._asdict()), reference_signals, references, splits, attacks
            if "shadow" in options.threat_models and not shadows:
                shadows = fit_attacks(*tables, ["shadow"], online)[UNDEFENDED]
            fitted[name] |= (fit_attacks(*tables, known, online)[UNDEFENDED] if known else {}) | shadows
    return fitted


def score_all(
    signals: pd.DataFrame, calibration_signals: pd.DataFrame, fitted: Attacks, target_splits: pd.DataFrame
) -> pd.DataFrame:
    """Score the images that no attacker knows, for every target: the columns of `score_images`, and target."""
    read, calibration = parts(signals, TARGET), parts(calibration_signals, TARGET)
    trained_on = training_images(target_splits)
    tables = {}
    for name, splits in parts(target_splits, TARGET).items():
        views, of_target = read[name].assign(**TARGET_VIEW._asdict()), []
        for online in (False, True):
            attacks = {key: attack for key, attack in fitted[name].items() if attack.options.online == online}
            if attacks:
                references = _references(calibration[name], trained_on, online)
                known = trained_on if online else None
                of_target += [score_images(views, references, {UNDEFENDED: attacks}, splits, ["plain"], known)]
        tables[name] = pd.concat(of_target, ignore_index=True)
    return stack(tables, TARGET)


def _references(calibration_signals: pd.DataFrame, trained_on: pd.DataFrame, online: bool) -> pd.DataFrame:
    """Either the other targets or the references that know none of the people, without columns that they lack."""
    rows = calibration_signals[calibration_signals["reference"].isin(trained_on["reference"]) == online]
    return readable_columns(rows) if len(rows) else rows


def record_evidence(
    signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    fitted: Attacks,
    target_splits: pd.DataFrame,
    model: ModelKey,
) -> pd.DataFrame:
    """How far each image's score lies above what references say of it.

    Columns: target, image_id, identity, is_member, z and p_value, the image's own false-positive rate: by BaVarIA's
    predictive distribution, for backbones that never saw the person, of the score before calibration of `model`, whose
    calibration is `bavaria`. Other images of members' people are left out: they are no members, but the target saw the
    person.
    """
    read, calibration = parts(signals, TARGET), parts(calibration_signals, TARGET)
    trained_on = training_images(target_splits)
    tables = {}
    for name, splits in parts(target_splits, TARGET).items():
        images = evaluated_images(splits)
        images = images[images["role"] != "same_identity"]
        seen = inputs.of_target(images, read[name], _references(calibration[name], trained_on, online=False))
        scores, learnt = fitted[name][model].raw_scores(seen), fitted[name][model].calibration
        rows = seen.images[["image_id", "identity", "is_member"]]
        smallest = np.finfo(np.float64).tiny
        p_value = np.maximum(bavaria.out_p_value(scores, learnt), smallest)
        tables[name] = rows.assign(z=bavaria.out_z(scores, learnt), p_value=p_value)
    return stack(tables, TARGET)
