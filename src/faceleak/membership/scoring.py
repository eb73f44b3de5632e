"""Scores of fitted attacks, and of the blind baseline, for the images that no attacker knows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership import inputs
from faceleak.membership.attackers import AttackerName, Evaluation, View, evaluations, views_of
from faceleak.membership.attacks import Attack
from faceleak.membership.inputs import AttackInput, aligned, evaluated_images, known_images
from faceleak.membership.models import logistic
from faceleak.membership.options import BLIND_MODEL, MembershipOptions, ModelKey
from faceleak.membership.view_signals import (
    as_other_images,
    has_other_images,
    other_images,
    without_other_images,
)
from faceleak.membership.views import readable_columns, strongest
from faceleak.signals import is_read_off_images

Attacks = dict[str, dict[ModelKey, Attack]]  # name of a view → attack and threat model → fitted attack
SCORE_COLUMNS = [
    "image_id",
    "identity",
    "variant",
    "attacker",
    "bypass",
    "view",
    "attack",
    "threat_model",
    "population",
    "is_member",
    "score",
    "says_member",
    "other_images_score",
    "other_images_says_member",
]


def score_images(
    signals: pd.DataFrame,
    calibration_signals: pd.DataFrame,
    fitted: Mapping[str, Mapping[ModelKey, Attack]],
    splits: pd.DataFrame,
    attackers: Sequence[AttackerName],
    trained_on: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score the images that no attacker knows, in every evaluation. A higher score says member.

    One row an image and attack (`SCORE_COLUMNS`); `population` is `member` for members. `other_images_score` is what
    the same attack says where it is shown only images that were not trained on: empty for all but `other_images`, and
    where the signals were not read among these. trained_on: as for `fit_attacks`.
    """
    evaluated, others = evaluated_images(splits), other_images(splits)["image_id"]
    models = list(dict.fromkeys(model for of_view in fitted.values() for model in of_view))
    of_view = views_of(signals)
    tables = []
    for tries in evaluations(of_view, attackers):
        chosen = {model: evaluation for model in models if (evaluation := strongest(tries, fitted, model))}
        for view in dict.fromkeys(evaluation.view for evaluation in chosen.values()):
            seen = inputs.of_target(evaluated, readable_columns(of_view[view]), calibration_signals, trained_on)
            of_others = _of_other_images(seen, others)
            tables += [
                _scored(seen, of_others, fitted[evaluation.fitted_on.name][model], evaluation, model)
                for model, evaluation in chosen.items()
                if evaluation.view == view
            ]
    return pd.concat(tables, ignore_index=True)


def score_blind(blind_signals: pd.DataFrame, splits: pd.DataFrame, options: MembershipOptions) -> pd.DataFrame:
    """Fit and score the blind baseline, which never sees a target; same columns as `score_images`."""
    columns = [column for column in without_other_images(blind_signals).columns if column != "image_id"]
    known, evaluated = known_images(splits), evaluated_images(splits)
    labels = known[["identity", "is_member"]].reset_index(drop=True)
    table = pd.concat([labels, aligned(known, blind_signals)], axis=1)
    model = logistic.fit(table, columns, options.blind.regularization)
    score = model.score(aligned(evaluated, blind_signals))
    compared = options.blind.reference_signals if options.blind.references else []
    others = evaluated["image_id"].isin(other_images(splits)["image_id"]).to_numpy(bool)
    of_others: NDArray[np.float64] = np.full(len(evaluated), np.nan)
    if others.any() and (len(columns) + 1 < blind_signals.shape[1] or all(map(is_read_off_images, compared))):
        of_others[others] = model.score(as_other_images(aligned(evaluated[others], blind_signals)))
    nobody = Evaluation("plain", View(""), View(""))
    return _score_table(evaluated, score, of_others, model.threshold, nobody, BLIND_MODEL)


def _of_other_images(seen: AttackInput, others: pd.Series) -> AttackInput:
    """Some of the images, as they appear among only these images."""
    some = seen.rows(np.flatnonzero(seen.images["image_id"].isin(others)))
    return replace(some, own=as_other_images(some.own), references=[as_other_images(t) for t in some.references])


def _scored(
    seen: AttackInput, of_others: AttackInput, attack: Attack, evaluation: Evaluation, model: ModelKey
) -> pd.DataFrame:
    read = attack.options.signals_read()
    tables = [seen.own, *(seen.references if attack.options.calibration else [])]
    other_images_score: NDArray[np.float64] = np.full(len(seen.images), np.nan)
    if len(of_others.images) and all(has_other_images(read, table) for table in tables):
        other_images_score[seen.images["image_id"].isin(of_others.images["image_id"])] = attack.score(of_others)
    return _score_table(seen.images, attack.score(seen), other_images_score, attack.threshold, evaluation, model)


def _score_table(
    images: pd.DataFrame,
    score: NDArray[np.float64],
    other_images_score: NDArray[np.float64],
    threshold: float,
    evaluation: Evaluation,
    model: ModelKey,
) -> pd.DataFrame:
    return images.assign(
        variant=evaluation.variant,
        attacker=evaluation.attacker,
        bypass=evaluation.view.bypass,
        view=evaluation.view.name,
        attack=model.attack,
        threat_model=model.threat_model,
        population=images["role"],
        score=score,
        says_member=score >= threshold,
        other_images_score=other_images_score,
        other_images_says_member=other_images_score >= threshold,
    )[SCORE_COLUMNS]
