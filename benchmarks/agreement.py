"""LiRA and RMIA on the same scores as Meta's PrivacyGuard, an independent implementation, gives."""

import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import kendalltau, spearmanr

from faceleak.membership.calibration import lira, rmia
from faceleak.membership.calibration.reference_scores import FloatArray, ReferenceScores

INSTALL = "pip install --no-deps privacyguard-platform==0.0.2"
LIMIT = 1e-9  # largest difference where formulas are the same
IMAGES, POPULATION, REFERENCES = 400, 300, 12


def run() -> bool:
    """Print rank correlations and the largest difference; False where the same formula differs."""
    if importlib.util.find_spec("privacy_guard") is None:
        print(f"agreement: skipped, PrivacyGuard is not installed ({INSTALL})")
        return True
    scores, population = _simulated(IMAGES, 0, trained=True), _simulated(POPULATION, 1, trained=False)
    offline = _offline(scores)
    learnt = lira.fit(scores, np.arange(IMAGES) % 2 == 0, online=True)
    same = {
        "LiRA online": (lira.calibrate(scores, learnt, online=True, few=2), _their_lira(scores, fixed=False)),
        "RMIA online": _rmia(scores, population, online=True, a=1.0),  # without correction of the population, as theirs
        "RMIA offline": _rmia(offline, population, online=False, a=0.3),
    }
    # they average the images' standard deviations, where ours pools their variances
    similar = {
        "LiRA online, shared variance": (lira.calibrate(scores, learnt, online=True), _their_lira(scores, fixed=True))
    }
    for name, pair in (same | similar).items():
        _report(name, *pair)
    return all(np.abs(ours - theirs).max() <= LIMIT for ours, theirs in same.values())


def _report(name: str, ours: FloatArray, theirs: FloatArray) -> None:
    spearman, kendall = spearmanr(ours, theirs).statistic, kendalltau(ours, theirs).statistic
    print(
        f"agreement: {name} with PrivacyGuard, {len(ours)} images: largest difference "
        f"{np.abs(ours - theirs).max():.1e}, Spearman {spearman:.6f}, Kendall {kendall:.6f}"
    )


def _simulated(images: int, seed: int, trained: bool) -> ReferenceScores:
    """Half of the references are trained on each image where `trained`; the even images are the target's members."""
    random = np.random.default_rng(seed)
    half = np.arange(REFERENCES) < REFERENCES // 2
    trained_on = random.permuted(np.tile(half, (images, 1)), axis=1) & trained
    raised = np.column_stack([(np.arange(images) % 2 == 0) & trained, trained_on])
    scores = random.normal(0, 2, (images, 1)) + raised + random.normal(size=raised.shape)
    return ReferenceScores(scores[:, 0], scores[:, 1:], trained_on)


def _offline(scores: ReferenceScores) -> ReferenceScores:
    """The out-references of each image, of which all have equally many, as if no other had been trained."""
    out = scores.references[~scores.trained_on].reshape(len(scores.target), -1)
    return ReferenceScores(scores.target, out, np.zeros(out.shape, bool))


def _their_lira(scores: ReferenceScores, fixed: bool) -> FloatArray:
    from privacy_guard.analysis.mia.aggregate_analysis_input import AggregationType
    from privacy_guard.attacks.lira_attack import LiraAttack

    columns = {"user_id": np.arange(len(scores.target)), "score_orig": scores.target}
    for side, chosen in (("in", scores.trained_on), ("out", ~scores.trained_on)):
        values = pd.DataFrame(np.where(chosen, scores.references, np.nan))
        columns |= {f"score_mean_{side}": values.mean(axis=1), f"score_std_{side}": values.std(axis=1)}
    table = pd.DataFrame(columns)
    return _halves(
        table,
        lambda one, other: LiraAttack(
            one, other, AggregationType.NONE, use_fixed_variance=fixed, std_dev_type="mix", online_attack=True
        ),
    )


def _rmia(
    scores: ReferenceScores, population: ReferenceScores, online: bool, a: float
) -> tuple[FloatArray, FloatArray]:
    from privacy_guard.analysis.mia.aggregate_analysis_input import AggregationType
    from privacy_guard.attacks.rmia_attack import RmiaAttack

    references = scores.references.shape[1]
    seen = ReferenceScores(
        population.target, population.references[:, :references], population.trained_on[:, :references]
    )
    ours = rmia.share(scores, online, population=rmia.log_ratio(seen, a=a), a=a)
    theirs = _halves(
        _their_table(scores),
        lambda one, other: RmiaAttack(
            one,
            other,
            _their_table(seen),
            AggregationType.NONE,
            num_reference_models=references,
            alpha_coefficient=a,
            online=online,
        ),
    )
    return ours, theirs


def _their_table(scores: ReferenceScores) -> pd.DataFrame:
    columns = {"user_id": np.arange(len(scores.target)), "score_orig": expit(scores.target)}
    for i, (values, trained_on) in enumerate(zip(scores.references.T, scores.trained_on.T, strict=True)):
        columns |= {f"score_ref_{i}": expit(values), f"member_ref_{i}": trained_on}
    return pd.DataFrame(columns)


def _halves(table: pd.DataFrame, attack: Callable[[pd.DataFrame, pd.DataFrame], Any]) -> FloatArray:
    """They want members and others in tables of their own."""
    scored = attack(table[::2].copy(), table[1::2].copy()).run_attack()
    both: pd.DataFrame = pd.concat([scored.df_train_merge, scored.df_test_merge]).sort_index()
    return both["score"].to_numpy()
