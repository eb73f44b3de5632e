"""Variants side by side on the terminal."""

from rich.console import Console

from faceleak.reporting.defence_tables import defence_tables


def auc(value: float) -> dict[str, dict[str, float]]:
    return {"unseen_identity": {"auc": value, "auc_ci_low": value - 0.02, "auc_ci_high": value + 0.02}}


def stages(utility: float, static: float, refitted: float, adaptive: float, advantage: float) -> dict:
    return {
        "utility": {
            "verification_auc": utility,
            "verification_auc_ci_low": utility - 0.01,
            "verification_auc_ci_high": utility + 0.01,
        },
        "utility_after_bn_reestimation": {"verification_auc": 0.945},
        "membership": {
            "bn_distance_partial_knowledge_static": auc(static),
            "bn_distance_partial_knowledge_refitted": auc(refitted),
            "bn_distance_partial_knowledge_adaptive": auc(adaptive),
        },
        "reconstruction": {
            "bn_moments_partial_knowledge_adaptive": {"optimised": {"match_advantage": advantage}},
        },
    }


def test_a_row_a_variant_with_intervals_and_the_false_sense_of_security() -> None:
    results = {
        "undefended": stages(0.945, 0.854, 0.854, 0.863, 0.5),
        "bn_perturbation_0.8": stages(0.8, 0.525, 0.506, 0.863, 0.4),
    }
    tables = defence_tables(results)
    console = Console(width=100, record=True)
    for table in tables:
        console.print(table)
    text = console.export_text()
    row = next(line for line in text.splitlines() if line.startswith("bn_perturbation_0.8"))
    assert len(tables) == 2
    assert row.split()[1:7] == ["0.800", "±0.01", "0.525", "±0.02", "0.506", "±0.02"]
    assert row.split()[7:] == ["0.863", "±0.02", "+0.338", "0.945"]
    assert "+0.400" in text
