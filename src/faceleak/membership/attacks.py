"""Attacks: an attack model on signals, its scores calibrated by references or not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.named import taken
from faceleak.membership.calibration import FEATURES, Fitted
from faceleak.membership.calibration import registry as calibrations
from faceleak.membership.calibration.reference_scores import MissingReferencesError, ReferenceScores
from faceleak.membership.inputs import AttackInput
from faceleak.membership.models import AttackModel
from faceleak.membership.models import registry as models
from faceleak.membership.models.base import (
    AttackColumnsError,
    AttackFitError,
    best_threshold,
    numbers,
)
from faceleak.membership.options import AttackOptions
from faceleak.signals.columns import Column, columns_of, columns_of_layers

BEYOND = " beyond references"


@dataclass(frozen=True, eq=False)
class Attack:
    """A fitted attack.

    `threshold`: the score with the best balanced accuracy on the attacker's own data. `calibration`: what the
    calibration learnt from the same data; plain, and empty if the score is not calibrated. `own_auc`: AUC on the
    attacker's own people, held out, where the attack has to be chosen among several.
    """

    options: AttackOptions
    model: Any
    threshold: float
    calibration: Fitted = field(default_factory=dict)
    own_auc: float | None = None

    def score(self, inputs: AttackInput) -> NDArray[np.float64]:
        """Score every image (any finite number; higher says member).

        Raises AttackColumnsError if the backbone has other layers, MissingReferencesError if an image cannot be
        calibrated.
        """
        if not self.options.calibrates_its_score():
            scores: NDArray[np.float64] = self.model.score(features(inputs, self.options))
            return scores
        return self.calibrate(self.raw_scores(inputs))

    def raw_scores(self, inputs: AttackInput) -> ReferenceScores:
        """The attack model's scores, not calibrated, by the backbone itself and by every reference."""
        target = self.model.score(features(inputs, self.options))
        by_reference = [self.model.score(table) for table in inputs.references]
        return ReferenceScores(target, np.column_stack(by_reference), ~inputs.out)

    def calibrate(self, scores: ReferenceScores) -> NDArray[np.float64]:
        """Calibrate raw scores (n,) as the options ask for it."""
        module = calibrations.get(str(self.options.calibration))
        return module.calibrate(scores, self.calibration, self.options.online)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "options": self.options.model_dump(mode="json"),
            "model": self.model.to_dict(),
            "threshold": self.threshold,
            "calibration": self.calibration,
            "own_auc": self.own_auc,
        }

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Attack":
        """The inverse of `to_dict`."""
        options = AttackOptions(**content["options"])
        model = models.get(options.model).MODEL.from_dict(content["model"])
        return cls(options, model, content["threshold"], content["calibration"], content["own_auc"])


def code_of(attacks: Iterable[AttackOptions]) -> list[str]:
    """The modules that attacks look up by name, by which their code enters keys."""
    found = set[str]()
    for options in attacks:
        found.add(models.module(options.model))
        if options.calibrates_its_score():
            found.add(calibrations.module(str(options.calibration)))
    return sorted(found)


def fit_attack(knowledge: Sequence[AttackInput], options: AttackOptions, with_threshold: bool = True) -> Attack:
    """Fit on the attacker's own data. Raises AttackFitError if it does not suffice.

    with_threshold: whether a threshold is needed; without one, the logistic model's is NaN, which spares five fits.
    """
    if options.calibration is not None:
        if not options.online:
            knowledge = [inputs.comparable() for inputs in knowledge]
        if not any(len(inputs.images) for inputs in knowledge):
            raise AttackFitError(
                f"The calibration {options.calibration!r} compares images by references that never saw the person, and "
                "the attacker has nobody whom they did not see. Raise membership.references.count to 4 at least."
            )
    labels = pd.concat([inputs.images[["identity", "is_member"]] for inputs in knowledge], ignore_index=True)
    read = pd.concat([features(inputs, options) for inputs in knowledge], ignore_index=True)
    model = _fit_model(pd.concat([labels, read], axis=1), read.columns.tolist(), options, with_threshold)
    attack = Attack(options, model, model.threshold)
    if not options.calibrates_its_score():
        return attack
    raw = ReferenceScores.together([attack.raw_scores(inputs) for inputs in knowledge])
    is_member = labels["is_member"].to_numpy(bool)
    fitted = calibrations.get(str(options.calibration)).fit(raw, is_member, options.online)
    attack = replace(attack, calibration=fitted)
    return replace(attack, threshold=best_threshold(attack.calibrate(raw), is_member))


def features(inputs: AttackInput, options: AttackOptions) -> pd.DataFrame:
    """The attack model's numbers: those of the signals and, for `features`, each minus its mean over the references.

    Only references that never saw the person count; raises MissingReferencesError if an image has none.
    """
    columns = _columns(options, inputs.own)
    own = inputs.own[columns]
    if options.calibration != FEATURES:
        return own
    if missing := int((~inputs.out.any(axis=1)).sum()):
        raise MissingReferencesError(
            f"{missing} of {len(own)} images show people whom every reference backbone saw, so how hard they are "
            "anyway is unknown. Raise membership.references.count, or leave these images out."
        )
    usual = np.zeros(own.shape)
    for table, out in zip(inputs.references, inputs.out.T, strict=True):
        usual += numbers(table, columns) * out[:, None]
    usual /= inputs.out.sum(axis=1, keepdims=True)
    names = [f"{column}{BEYOND}" for column in columns]
    return pd.concat([own, pd.DataFrame(own.to_numpy(np.float64) - usual, columns=names)], axis=1)


def _columns(options: AttackOptions, table: pd.DataFrame) -> list[str]:
    """The columns that the attack reads; the one whose quantiles are regressed comes first."""
    read = [columns_of_layers(signal, table, options.layers) for signal in options.signals]
    columns = [column for of_signal in read for column in of_signal]
    if options.score is not None and options.score not in table.columns:
        known = ", ".join(columns_of(Column.parse(options.score).signal, table)[:5]) or "none"
        raise AttackColumnsError(
            f"The attack's `score` is {options.score!r}, and this backbone's signals have no such column "
            f"(of that signal: {known}). Correct `score` in membership.attacks."
        )
    return columns if options.score is None else [options.score, *(name for name in columns if name != options.score)]


def _fit_model(table: pd.DataFrame, columns: list[str], options: AttackOptions, with_threshold: bool) -> AttackModel:
    fit = models.get(options.model).fit
    offered: dict[str, Any] = {"regularization": options.regularization, "with_threshold": with_threshold}
    model: AttackModel = fit(table, columns, **{name: offered[name] for name in taken(fit, offered)})
    return model
