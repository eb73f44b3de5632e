"""The comparison of defenses as points: the utility of a variant, and what an attacker finds on it."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ModelKey
from faceleak.reporting.checks import ReportingError, check_columns
from faceleak.reporting.formats import ACCESSES, ENDS, NOTHING, TPR
from faceleak.reporting.results import AttackName, names_in_metrics
from faceleak.reporting.verdict import is_blind, strongest

Metrics = Mapping[str, Any]
Row = dict[str, Any]

MEASURED = ("utility", "attack_auc", TPR)
COLUMNS = (
    *("variant", "access", "attacker", "attack", "bypass"),
    *(f"{measure}{end}" for measure in MEASURED for end in ENDS),
    "false_sense_of_security",
)
ATTACKERS = ("static", "refitted", "adaptive")
COMPARED = ("variant", "utility", *ATTACKERS, "bypassed by", "false sense of security", "TPR@1 %")
STRENGTH = re.compile(r"(?P<defense>.*?)(?P<strength>\d+(\.\d+)?(e[+-]?\d+)?)")


def collect(
    utility: Mapping[str, Metrics],
    membership: Mapping[str, Metrics],
    attackers: Sequence[AttackerName],
    access: Mapping[str, str],
    bypasses: pd.DataFrame,
    population: str = "unseen_identity",
) -> pd.DataFrame:
    """Make the points from metrics: a row a variant, access and attacker, which holds the attacker's strongest attack.

    utility: variant → `utility` → metrics; membership: variant → `membership` → attack, threat model and attacker →
    population → metrics. access: attack → `weights` or `embeddings`. bypasses: variant, attacker, attack, threat_model
    and bypass, the one that the attacker took, empty if none. Who holds the weights can run every attack, who gets
    embeddings only those on embeddings; the one with the highest AUC counts, and for the TPR the one with the highest.

    Columns (`COLUMNS`): variant; access; attacker; attack, with its threat model; bypass; utility (verification AUC),
    attack_auc and tpr_at_fpr_1pct, each with _ci_low and _ci_high, all in 0…1; and
    false_sense_of_security, the adaptive attacker's AUC − the static one's for this variant and access. NaN if
    unknown. An attacker without an attack on a variant has no row there.

    Raises ReportingError if a variant has no utility or no row at all, or if `access` lacks an attack.
    """
    names = names_in_metrics(access)
    chosen = bypasses.set_index(["variant", "attacker", "attack", "threat_model"])["bypass"].fillna("").to_dict()
    rows = []
    for variant in dict.fromkeys([*membership, *utility]):
        useful = utility.get(variant, {}).get("utility", {})
        measured = _measured(membership.get(variant, {}).get("membership", {}), population)
        if unknown := [name for name in measured if name not in names]:
            raise ReportingError(
                f"{variant} has metrics of {len(unknown)} attacks whose access is not known, such as {unknown[0]}, so "
                "they would be missing in the comparison. Name each attack of the run, and its access."
            )
        found = [
            _point(variant, held, attacker, attacks, useful, chosen)
            for held in ACCESSES
            for attacker in attackers
            if (
                attacks := {
                    names[name]: metrics
                    for name, metrics in measured.items()
                    if names[name].attacker == attacker and held in ("weights", access[names[name].attack])
                }
            )
        ]
        if not found or pd.isna(useful.get("verification_auc")):
            raise ReportingError(
                f"{variant} has no utility, or no AUC of any attacker ({', '.join(attackers)}) against {population}, "
                "so it has no place in the comparison. Run the defense pipeline as a whole."
            )
        rows += found
    return _with_false_sense(pd.DataFrame(rows, columns=list(COLUMNS)))


def _measured(attacks: Metrics, population: str) -> dict[str, Metrics]:
    return {
        name: populations[population]
        for name, populations in attacks.items()
        if not is_blind(name) and not pd.isna(populations.get(population, {}).get("auc"))
    }


def _point(
    variant: str,
    access: str,
    attacker: str,
    attacks: Mapping[AttackName, Metrics],
    useful: Metrics,
    chosen: Mapping[Any, str],
) -> Row:
    best, surest = strongest(attacks, "auc"), strongest(attacks, TPR)
    assert best is not None
    return {
        "variant": variant,
        "access": access,
        "attacker": attacker,
        "attack": ModelKey(best.attack, best.threat_model).name,
        "bypass": chosen.get((variant, attacker, best.attack, best.threat_model), ""),
        **_with_bounds("utility", useful, "verification_auc"),
        **_with_bounds("attack_auc", attacks[best], "auc"),
        **_with_bounds(TPR, attacks[surest] if surest else {}, TPR),
    }


def _with_bounds(name: str, metrics: Metrics, metric: str) -> dict[str, float]:
    return {f"{name}{end}": np.nan if (v := metrics.get(f"{metric}{end}")) is None else float(v) for end in ENDS}


def _with_false_sense(points: pd.DataFrame) -> pd.DataFrame:
    aucs = points.set_index(["variant", "access", "attacker"])["attack_auc"].to_dict()
    differences = [
        aucs.get((variant, access, "adaptive"), np.nan) - aucs.get((variant, access, "static"), np.nan)
        for variant, access in zip(points["variant"], points["access"], strict=True)
    ]
    return points.assign(false_sense_of_security=differences)


def as_tree(points: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """The strongest attackers as metrics: variant → `strongest` → access → attacker → auc and tpr_at_fpr_1pct.

    With their bounds; the attackers of an access are followed by its false_sense_of_security. What is NaN is left out.
    """
    tree: dict[str, dict[str, Any]] = {}
    for row in records(points):
        of_access = tree.setdefault(row["variant"], {"strongest": {}})["strongest"].setdefault(row["access"], {})
        named = {"auc": "attack_auc", TPR: TPR}
        values = {f"{metric}{end}": row[f"{column}{end}"] for metric, column in named.items() for end in ENDS}
        of_access[row["attacker"]] = {metric: value for metric, value in values.items() if not pd.isna(value)}
        if not pd.isna(row["false_sense_of_security"]):
            of_access["false_sense_of_security"] = row["false_sense_of_security"]
    return tree


def checked(points: pd.DataFrame) -> pd.DataFrame:
    """The points with empty text if no bypass is named, as it is after they were read from a file.

    Raises ReportingError if columns or rows are missing, a variant and access have an attacker twice, or utility or
    attack AUC is missing.
    """
    check_columns(points, COLUMNS, "points")
    if repeated := int(points.duplicated(["variant", "access", "attacker"]).sum()):
        raise ReportingError(
            f"{repeated} of {len(points)} points repeat a variant, access and attacker, so one of them would hide the "
            "other. Select one attack and one population first."
        )
    if points[["utility", "attack_auc"]].isna().any(axis=None):
        raise ReportingError("Some points have no utility or no attack AUC, so they have no place. Measure both first.")
    return points.assign(bypass=points["bypass"].fillna(""))


def by_access(points: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each access that has points, in the order of `ACCESSES`, with its points."""
    for access in ACCESSES:
        rows = points[points["access"] == access]
        if not rows.empty:
            yield access, rows


def records(points: pd.DataFrame) -> list[Row]:
    """The points one by one."""
    return [{str(name): value for name, value in row.items()} for row in points.to_dict("records")]


def strongest_attackers(points: pd.DataFrame, metric: str = "attack_auc") -> pd.DataFrame:
    """The row with the highest `metric` of each variant, in the order of the table. `points` are of one access."""
    order = points["variant"].drop_duplicates()
    best = points.loc[points.groupby("variant")[metric].idxmax()]
    return best.set_index("variant").loc[order].reset_index()


def front(points: pd.DataFrame) -> pd.DataFrame:
    """The strongest attackers' rows of the variants that no other one beats in both; `points` are of one access."""
    best = strongest_attackers(points)
    return best[on_pareto_front(best)]


def compare_variants(points: pd.DataFrame, write: Callable[[Metrics, str], str]) -> pd.DataFrame:
    """A row a variant in the order of the table, all text (`COMPARED`), – if unknown.

    points: checked ones of one access. `write` makes text of a row's metric with its interval. "bypassed by" is what
    the adaptive attacker did first, TPR@1 % the highest one that any of the attackers reaches.
    """
    rows = []
    for variant, of_variant in points.groupby("variant", sort=False):
        by_attacker = {row["attacker"]: row for row in records(of_variant)}
        highest = next(iter(records(strongest_attackers(of_variant.dropna(subset=TPR), TPR))), {})
        first = records(of_variant)[0]
        false_sense = first["false_sense_of_security"]
        cells = (
            *(str(variant), write(first, "utility")),
            *(write(by_attacker.get(attacker, {}), "attack_auc") for attacker in ATTACKERS),
            str(by_attacker.get("adaptive", {"bypass": NOTHING})["bypass"]) or "nothing",
            NOTHING if pd.isna(false_sense) else f"{false_sense:+.3f}",
            write(highest, TPR),
        )
        rows.append(dict(zip(COMPARED, cells, strict=True)))
    return pd.DataFrame(rows, columns=list(COMPARED))


def on_pareto_front(points: pd.DataFrame) -> NDArray[np.bool_]:
    """Say of each row (n,) whether no other one has at least its utility at an attack AUC that is no higher.

    Of two rows one of which is better in one of the two and equal in the other, only the better one is on the front;
    equal rows are on it together.
    """
    utility, leak = (points[column].to_numpy(float) for column in ("utility", "attack_auc"))
    no_worse = (utility[:, None] >= utility) & (leak[:, None] <= leak)  # [i, j]: i is no worse than j
    better = (utility[:, None] > utility) | (leak[:, None] < leak)
    return np.asarray(~(no_worse & better).any(axis=0), dtype=bool)


def sweeps(variants: Sequence[str]) -> list[list[str]]:
    """Variants of one defense at several strengths, by strength: names that differ only in the number at their end."""
    of_defense: dict[str, dict[str, float]] = {}
    for variant in variants:
        if match := STRENGTH.fullmatch(variant):
            of_defense.setdefault(match["defense"], {})[variant] = float(match["strength"])
    return [sorted(strengths, key=strengths.__getitem__) for strengths in of_defense.values() if len(strengths) > 1]
