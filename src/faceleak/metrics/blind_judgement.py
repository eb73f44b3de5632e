"""What a person who did not know the kinds of faces saw in them, and whether evaluators see the same."""

import warnings
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from faceleak.metrics.blind_answers import Answer, BlindAnswers
from faceleak.metrics.blind_key import BlindKey, Kind, Question
from faceleak.metrics.intervals import Interval, percentile_interval, rate_interval, resampling_weights
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray

Given = list[tuple[Question, Answer]]


def count_answers(key: BlindKey, answers: BlindAnswers, options: BootstrapOptions) -> dict[str, Any]:
    """Count the answers by kind of face, and measure agreement with the evaluators.

    Returns for each kind `answers/<kind>`: `yes_rate` and `cannot_say_rate`, shares in 0…1 of the answers, with
    intervals; `answered` and `asked`. Below `agreement`: `kappa` of the person and of what the independent evaluators
    agree on, over the answers that are yes or no (`answered`), and under `evaluators` the same for what each would
    accept alone. Kappa is Cohen's (1960): 0 is chance, 1 full agreement; None where the person or the evaluators give
    one answer to all, which agrees by chance alone, whatever the other says.
    """
    given = [(key.questions[name], answer) for name, answer in answers.answers.items()]
    kinds = {
        kind: _count([pair for pair in given if pair[0].kind == kind], options)
        | {"asked": sum(question.kind == kind for question in key.questions.values())}
        for kind in get_args(Kind)
    }
    decided = [pair for pair in given if pair[1] != "cannot_say"]
    together = _agreement(decided, np.array([question.matches for question, _ in decided], bool), options)
    names = next(iter(key.questions.values())).accepted_by
    alone = {
        name: _agreement(decided, np.array([question.accepted_by[name] for question, _ in decided], bool), options)
        for name in names
    }
    return {"answers": kinds, "agreement": {**together, "evaluators": alone}}


def _count(given: Given, options: BootstrapOptions) -> dict[str, float]:
    if not given:
        return {"answered": 0}
    people = _people(given)
    rates = {
        f"{answer}_rate": _rate_interval(np.array([said == answer for _, said in given]), people, options)
        for answer in ("yes", "cannot_say")
    }
    named = {metric: value for name, rate in rates.items() for metric, value in rate.named(name).items()}
    return named | {"answered": len(given)}


def _rate_interval(said: BoolArray, people: NDArray[Any], options: BootstrapOptions) -> Interval:
    """A share and its interval over people."""
    means = (weights := _weights(people, options)) @ said.astype(float) / weights.sum(axis=1)
    return rate_interval(float(said.mean()), means, len(np.unique(people)), options.level)


def _agreement(decided: Given, accepted: BoolArray, options: BootstrapOptions) -> dict[str, Any]:
    said = np.array([answer == "yes" for _, answer in decided], bool)
    if min(len(np.unique(said)), len(np.unique(accepted))) < 2:
        return {"kappa": None, "kappa_ci_low": None, "kappa_ci_high": None, "answered": len(decided)}
    resampled = np.array([_kappa(said, accepted, row) for row in _weights(_people(decided), options)])
    defined = resampled[~np.isnan(resampled)]  # not where a resample holds one answer alone
    return {
        **percentile_interval(_kappa(said, accepted), defined, options.level).named("kappa"),
        "answered": len(decided),
    }


def _kappa(said: BoolArray, accepted: BoolArray, weights: NDArray[Any] | None = None) -> float:
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is told by NaN
        return float(cohen_kappa_score(said, accepted, labels=[False, True], sample_weight=weights))


def _people(given: Given) -> NDArray[Any]:
    return np.array([question.identity for question, _ in given])


def _weights(people: NDArray[Any], options: BootstrapOptions) -> NDArray[np.uint8]:
    return resampling_weights(people, np.ones(len(people), bool), options.resamples, options.seed)


def in_words(counted: Mapping[str, Any]) -> list[str]:
    """A line for each kind, and one for the agreement."""
    lines = []
    for kind, numbers in counted["answers"].items():
        if numbers["answered"]:
            low, high = (numbers[f"yes_rate_ci_{end}"] for end in ("low", "high"))
            lines.append(
                f"{kind}: {numbers['answered']} of {numbers['asked']} answered, yes {numbers['yes_rate']:.2f} "
                f"[{low:.2f}, {high:.2f}], cannot say {numbers['cannot_say_rate']:.2f}"
            )
    agreement = counted["agreement"]
    if agreement["kappa"] is None:
        return [
            *lines,
            "agreement with the evaluators: undefined, as the person or the evaluators gave one answer to all",
        ]
    bounds = f"[{agreement['kappa_ci_low']:.2f}, {agreement['kappa_ci_high']:.2f}]"
    return [*lines, f"agreement with the evaluators: kappa {agreement['kappa']:.2f} {bounds}"]
