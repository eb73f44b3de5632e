"""Names and numbers as a reader sees them: what metrics are called in tables, and how numbers are written."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from faceleak.metrics.membership import LOWEST_FPR, LOWEST_TPR
from faceleak.reporting.audit.parts import Cell, Measured
from faceleak.reporting.style import words

Metrics = Mapping[str, Any]

ENDS = ("", "_ci_low", "_ci_high")  # of a metric's name: the value, and the bounds of its interval
TPR = "tpr_at_fpr_1pct"
NOTHING = "–"
SHORT = 60  # characters
PER_CENT = "\u00a0%"
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
ACCESSES = {"weights": "weights in hand", "embeddings": "embeddings only"}
HEADINGS = {  # where there is room: on the page of the audit, and in sentences
    "auc": "AUC",
    "asr": "ASR",
    TPR: "TPR at 1 % FPR",
    "tpr_at_fpr_0.1pct": "TPR at 0.1 % FPR",
    LOWEST_TPR: "TPR at the lowest FPR",
    LOWEST_FPR: "lowest FPR",
    "advantage_over_blind": "AUC over blind",
    "auc_over_paper": "AUC over the paper's",
    "epsilon_lower_bound": "ε at least",
    "verification_auc": "verification AUC",
    "tar_at_far_0.1pct": "TAR at 0.1 % FAR",
    "lfw_accuracy": "LFW accuracy",
    "still_found_at_1pct": "still found at 1 %",
    "still_found_at_0.1pct": "still found at 0.1 %",
    "verification_auc_of_stays": "verification AUC, who stays",
    "tar_at_far_0.1pct_of_stays": "TAR at 0.1 % FAR, who stays",
    "verification_auc_change": "change of verification AUC",
    "verification_auc_of_stays_change": "change, who stays",
    "cpu_seconds": "CPU seconds",
    "cost_of_gold": "time by that of gold",
    "kid_to_members": "KID to members",
    "kid_to_controls": "KID to controls",
    "kid_to_public": "KID to public faces",
}
NARROW = {  # in tables that have to fit a terminal or a note: where they may be broken
    "auc": "AUC",
    "asr": "ASR",
    TPR: "TPR at\nFPR 1 %",
    "advantage_over_blind": "over\nblind",
    "auc_over_paper": "over the paper's attack",
    "verification_auc": "verification AUC",
    "tar_at_far_0.1pct": "TAR at\nFAR 0.1 %",
    "lfw_accuracy": "LFW\naccuracy",
    "member_match_rate": "member\nrate",
    "control_match_rate": "control\nrate",
    "match_advantage": "advantage",
    "distinct_members": "distinct\nmembers",
    "unknown_member_match_rate": "unknown\nmember rate",
    "kid_to_members": "KID to\nmembers",
    "kid_to_controls": "KID to\ncontrols",
}
TEMPLATES = "Faces made of a leaked embedding: share accepted as its person by all evaluators"
PERSONS = "Faces searched from one image: share of the person's photos by which all evaluators accept them"
OF_POINTS = {  # the measures of `privacy_points`
    "utility": HEADINGS["verification_auc"],
    "attack_auc": "AUC of the attack",
    TPR: HEADINGS[TPR],
}
COUNTS = frozenset({"distinct_members"})  # written without decimals
SIGNED = frozenset(  # written with their sign
    {"advantage_over_blind", "auc_over_paper", "match_advantage", "gap", "still_found_over_gold"}
)


def heading(metric: str) -> str:
    """A metric's name for people."""
    return HEADINGS.get(metric, words(metric))


def narrow(metric: str) -> str:
    """The same in one line of a narrow table."""
    return NARROW[metric].replace("\n", " ")


def measured(metrics: Metrics, metric: str) -> Measured:
    """A metric with its bounds; what is missing or not finite is None."""
    value, low, high = (_finite(metrics.get(f"{metric}{end}")) for end in ENDS)
    return Measured(value=value, low=low, high=high)


def _finite(value: Any) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def interval_text(metrics: Metrics, metric: str, form: str = "") -> str:
    """A metric with its interval, as far as they are there: 0.763 [0.701, 0.822]; `form` is that of the value."""
    value, low, high = (metrics.get(f"{metric}{end}") for end in ENDS)
    if pd.isna(value):
        return NOTHING
    text = number_text(metrics, metric, form)
    return text if pd.isna(low) or pd.isna(high) else f"{text} [{low:.3f}, {high:.3f}]"


def number_text(metrics: Metrics, metric: str, form: str = "") -> str:
    """A metric without its interval, – if it is missing: 0.763, and +0.263 if its sign tells something."""
    value = metrics.get(metric)
    usual = "+.3f" if metric in SIGNED else ".0f" if metric in COUNTS else ".3f"
    return NOTHING if pd.isna(value) else f"{value:{form or usual}}"


def cell_text(cell: Cell) -> str:
    """A cell of a table: three decimals, intervals in brackets, – if nothing was measured."""
    if isinstance(cell, Measured):
        return measured_text(cell)
    if cell is None or cell == "":
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    return f"{cell:,}" if isinstance(cell, int) else number(cell)


def measured_text(measured: Measured) -> str:
    """0.763 [0.701, 0.822], which breaks before its bracket only."""
    if measured.value is None:
        return NOTHING
    if measured.low is None or measured.high is None:
        return number(measured.value)
    return f"{number(measured.value)} [{number(measured.low)},\u00a0{number(measured.high)}]"


def number(value: float) -> str:
    """0.034, 1.2·10⁻⁷, 12,000"""
    if not math.isfinite(value):
        return NOTHING
    if value.is_integer() and abs(value) >= 2:
        return f"{value:,.0f}"
    return power_of_ten(value) if 0 < abs(value) < 0.0005 else f"{value:,.3f}"


def power_of_ten(value: float) -> str:
    """1.2·10⁻⁷"""
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}·10{str(int(exponent)).translate(SUPERSCRIPTS)}"


def percent(measured: Measured) -> str:
    """20.6 % [9.2–32 %], with spaces that do not break."""
    if measured.value is None:
        return NOTHING
    if measured.low is None or measured.high is None:
        return _percent(measured.value)
    low = _percent(measured.low).removesuffix(PER_CENT)
    return f"{_percent(measured.value)} [{low}–{_percent(measured.high)}]"


def _percent(share: float) -> str:
    digits = 1 if round(1000 * share) % 10 else 0
    return f"{100 * share:.{digits}f}{PER_CENT}"


def none_accused(metrics: Metrics) -> str:
    """What is known of the false-positive rate at a threshold that no non-member of the sample passes, in words."""
    others, at_most = metrics["non_members"], metrics[f"{LOWEST_FPR}_ci_high"]
    return (
        f"with none of {others:,.0f} others accused (guessing finds 1 in {others + 1:,.0f}; that up to "
        f"{percent(Measured(value=at_most))} of others would be accused is possible)"
    )


def in_short(setting: object) -> str:
    """A value of the configuration in a sentence."""
    text = str(setting)
    return "not given" if setting is None else text if len(text) <= SHORT else f"{text[:SHORT]} …"


def listed(names: list[str]) -> str:
    """a, b and c"""
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
