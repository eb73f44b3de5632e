import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.tables import RESULT_COLUMNS, headline_tables, markdown, results_table
from faceleak.reporting.verdict import UPPER_BOUND_NOTE


def interval(metric, value, half_width=0.05):
    return {metric: value, f"{metric}_ci_low": value - half_width, f"{metric}_ci_high": value + half_width}


def membership(auc, advantage):
    return {
        **interval("auc", auc),
        **interval("asr", 0.7),
        **interval("tpr_at_fpr_1pct", 0.125),
        **interval("tpr_at_fpr_0.1pct", 0.03),
        **interval("advantage_over_blind", advantage),
        "members": 100,
        "non_members": 200,
    }


BLIND = {"same_identity": interval("auc", 0.5), "unseen_identity": interval("auc", 0.52)}
METRICS = {
    "undefended": {
        "utility": {**interval("verification_auc", 0.945, 0.01), "tar_at_far_0.1pct": 0.3},
        "membership": {
            "bn_distance_partial_knowledge": {
                "same_identity": membership(0.59, 0.04),
                "unseen_identity": membership(0.854, 0.334),
            },
            "bn_distance_partial_knowledge_adaptive": {"unseen_identity": membership(0.863, 0.343)},
            "blind_partial_knowledge": BLIND,
        },
        "reconstruction": {
            "bn_distance_partial_knowledge": {
                "random": {**interval("match_advantage", 0.0), "member_match_rate": 0.48, "control_match_rate": 0.48},
                "optimised": {
                    **interval("match_advantage", 0.63, 0.125),
                    "member_match_rate": 0.83,
                    "control_match_rate": 0.2,
                    "distinct_members": 55,
                    "unknown_member_match_rate": 0.47,
                    "kid_to_members": 0.35,
                    "kid_to_controls": -0.02,
                },
            }
        },
    },
    "noise_0.4": {
        "utility": interval("verification_auc", 0.891, 0.01),
        "utility_after_bn_reestimation": {"verification_auc": 0.945},
        "membership": {
            f"bn_distance_partial_knowledge_{attacker}": {"unseen_identity": membership(auc, auc - 0.52)}
            for attacker, auc in (("static", 0.682), ("refitted", 0.675), ("adaptive", 0.863))
        },
        "defence": {"seconds": 2, "bn_noise": {"rdp": {"target": {"epsilon": None}}}},
    },
}


def printed(metrics, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in headline_tables(metrics):
        console.print(table)
    return console.file.getvalue()


def row_of(text, *starts):
    """The cells of the first line, below the lines that begin so, that begins with the last of `starts`."""
    lines = [line.strip() for line in text.splitlines()]
    for start in starts:
        place = next(i for i, line in enumerate(lines) if line.startswith(start))
        line, lines = lines[place], lines[place + 1 :]
    return line.removeprefix(starts[-1]).split()


def test_results_are_a_row_a_metric_with_its_interval():
    table = results_table(METRICS)
    assert tuple(table.columns) == RESULT_COLUMNS
    rows = table.set_index(["variant", "stage", "attack", "population_or_step", "metric"])[
        ["value", "ci_low", "ci_high"]
    ]
    assert rows.index.is_unique
    auc = rows.loc["undefended", "membership", "bn_distance_partial_knowledge", "unseen_identity", "auc"]
    np.testing.assert_allclose(auc, [0.854, 0.804, 0.904])
    utility = rows.loc["noise_0.4", "utility", "", "", "verification_auc"]
    np.testing.assert_allclose(utility, [0.891, 0.881, 0.901])
    members = rows.loc["undefended", "membership", "bn_distance_partial_knowledge", "unseen_identity", "members"]
    np.testing.assert_array_equal(members, [100, np.nan, np.nan])
    np.testing.assert_array_equal(rows.loc["noise_0.4", "defence", "", "", "seconds"], [2, np.nan, np.nan])
    assert rows.loc["noise_0.4", "defence", "bn_noise", "rdp/target", "epsilon"].isna().all()


def test_no_number_is_lost_in_the_long_table():
    def count(tree):
        return sum(count(value) if isinstance(value, dict) else value is not None for value in tree.values())

    assert results_table(METRICS)[["value", "ci_low", "ci_high"]].notna().to_numpy().sum() == count(METRICS)


def test_a_bound_without_its_metric_is_a_row_of_its_own():
    table = results_table({"undefended": {"utility": {"auc_ci_low": 0.5}}})
    assert table[["metric", "value"]].to_numpy().tolist() == [["auc_ci_low", 0.5]]


def test_what_is_no_number_is_refused():
    with pytest.raises(ReportingError, match="`auc` is 'high'"):
        results_table({"undefended": {"utility": {"auc": "high"}}})


def test_no_metrics_give_an_empty_table():
    assert results_table({}).shape == (0, len(RESULT_COLUMNS))
    assert headline_tables({}) == []


def test_headlines_show_the_numbers():
    text = printed(METRICS)
    assert row_of(text, "Utility", "undefended") == ["0.945", "[0.935,", "0.955]", "0.300"]
    assert row_of(text, "Utility", "noise_0.4 after bn reestimation") == ["0.945", "–"]
    attack = row_of(text, "Membership inference: undefended", "unseen_identity", "bn_distance_partial_knowledge")
    assert attack == ["0.854", "[0.804,", "0.904]", "0.700", "0.125", "+0.334"]
    blind = row_of(text, "Membership inference: undefended", "unseen_identity", "blind_partial_knowledge")
    assert blind == ["0.520", "[0.470,", "0.570]", "–", "–", "–"]
    optimised = row_of(text, "Reconstruction: undefended, bn_distance_partial_knowledge", "optimised")
    assert optimised == ["0.830", "0.200", "+0.630", "[0.505,", "0.755]", "55", "0.470", "0.350", "-0.020"]
    random = row_of(text, "Reconstruction", "random")
    assert random == ["0.480", "0.480", "+0.000", "[-0.050,", "0.050]", "–", "–", "–", "–"]


def test_headlines_end_with_a_reading_a_population():
    text = printed(METRICS)
    undefended, defended = text.split("Membership inference: ")[1:]
    assert "same_identity: no evidence: " in undefended
    assert "would have shown an AUC of 0.571 or more." in " ".join(undefended.split())
    assert "unseen_identity: leaks: bn_distance_partial_knowledge_adaptive has AUC 0.863" in undefended
    assert "unseen_identity: leaks: " in defended
    assert "same_identity" not in defended
    confounded = {**METRICS, "undefended": {"membership": {"blind_shadow": {"unseen_identity": interval("auc", 0.6)}}}}
    assert "unseen_identity: cannot conclude: the blind baseline" in printed(confounded).split("noise_0.4")[-1]


def test_an_upper_bound_is_a_table_of_its_own_without_a_verdict():
    bound = {"head_loss_shadow": {"unseen_identity": interval("auc", 0.99) | interval("advantage_over_blind", 0.49)}}
    text = printed({"undefended": METRICS["undefended"] | {"upper_bound": bound}})
    attacks, apart = text.split("Upper bound, with the classification head in hand: undefended")
    assert "head_loss" not in attacks
    assert row_of(apart, "", "unseen_identity", "head_loss_shadow")[0] == "0.990"
    assert "leaks: " not in apart.split("Reconstruction")[0]
    assert UPPER_BOUND_NOTE in " ".join(apart.split())


def test_a_small_sample_is_named_in_its_reading():
    small = {"bn_distance_shadow": {"unseen_identity": interval("auc", 0.5, 0.2)}}
    assert "unseen_identity: cannot conclude: too few people: " in printed({"undefended": {"membership": small}})


@pytest.mark.parametrize("width", [100, 300])
def test_headlines_are_at_most_100_columns_wide(width):
    long = {f"{name}_with_a_name_that_does_not_end_{'x' * 60}": tree for name, tree in METRICS.items()}
    for metrics in (METRICS, long):
        assert max(len(line.rstrip()) for line in printed(metrics, width).splitlines()) <= 100


def test_names_are_not_taken_for_markup():
    assert "[bold]x" in printed({"[bold]x": METRICS["undefended"]})


def test_missing_numbers_are_dashes():
    text = printed({"undefended": {"utility": {**interval("verification_auc", float("nan")), "lfw_accuracy": 0.9}}})
    assert row_of(text, "Utility", "undefended") == ["–", "0.900"]


def test_markdown_has_three_decimals_and_aligned_columns():
    table = pd.DataFrame({"variant": ["a|b", "c"], "auc": [0.12345, np.nan], "members": [7, 8]})
    assert markdown(table) == (
        "| variant | auc | members |\n| --- | ---: | ---: |\n| a\\|b | 0.123 | 7 |\n| c | – | 8 |\n"
    )


def test_a_rate_that_so_few_cannot_show_is_said_to_be_not_measurable():
    few = {**membership(0.9, 0.3), "tpr_at_fpr_1pct": None, "non_members": 96}
    text = " ".join(printed({"undefended": {"membership": {"rmia_shadow": {"unseen_identity": few}}}}).split())
    assert "TPR at FPR 1 %: not measurable with 96 non-members, 199 are needed" in text
    assert "not measurable" not in printed(METRICS)


def test_what_an_asr_assumes_stands_beside_it():
    assert "A shadow attacker carries it over from its own backbones" in " ".join(printed(METRICS).split())
