"""Variants side by side on the terminal and in documents."""

import io

import pandas as pd
import pytest
from rich.console import Console

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.defence_tables import defence_tables, points_markdown
from tests.reporting.conftest import points_of

WEIGHTS = {"undefended": (0.945, 0.854, 0.854, 0.863), "bn_perturbation_0.8": (0.8, 0.525, 0.506, 0.863)}
EMBEDDINGS = {"undefended": (0.945, 0.7, 0.7, 0.71), "bn_perturbation_0.8": (0.8, None, 0.55, 0.56)}
RECONSTRUCTION = {
    "reconstruction": {"bn_moments_partial_knowledge_adaptive": {"optimised": {"match_advantage": 0.4}}},
}


def points():
    return pd.concat([points_of(WEIGHTS), points_of(EMBEDDINGS, "embeddings")], ignore_index=True)


def printed(tables, width=100):
    console = Console(width=width, record=True, file=io.StringIO())
    for table in tables:
        console.print(table)
    return console.export_text()


def row_of(text, variant):
    return next(line for line in text.splitlines() if line.startswith(variant)).split()[1:]


def test_a_table_an_access_and_one_of_reconstruction():
    weights, embeddings, reconstruction = (
        printed([table]) for table in defence_tables(points(), {"bn_perturbation_0.8": RECONSTRUCTION})
    )
    assert "an attacker with weights in hand" in weights
    assert row_of(weights, "undefended") == [
        *("0.945", "±.02", "0.854", "±.02", "0.854", "±.02", "0.863", "±.02", "nothing", "+0.009", "0.100"),
    ]
    assert row_of(weights, "bn_perturbation_0.8") == [
        *("0.800", "±.02", "0.525", "±.02", "0.506", "±.02", "0.863", "±.02", "bn_reestimation", "+0.338", "0.100"),
    ]
    assert "an attacker with embeddings only" in embeddings
    assert row_of(embeddings, "bn_perturbation_0.8") == [
        *("0.800", "±.02", "–", "0.550", "±.02", "0.560", "±.02", "bn_reestimation", "–", "0.100"),
    ]
    assert row_of(reconstruction, "bn_perturbation_0.8") == ["–", "–", "+0.400"]


def test_variants_stand_in_the_order_of_the_points():
    text = printed(defence_tables(points_of(dict(reversed(WEIGHTS.items()))), {}))
    assert text.index("bn_perturbation_0.8") < text.index("undefended")


def test_the_highest_rate_of_any_attacker_is_shown():
    table = points_of({"noise": (0.9, 0.6, 0.7, 0.8)})
    table["tpr_at_fpr_1pct"] = [0.3, float("nan"), 0.2]
    assert row_of(printed(defence_tables(table, {})), "noise")[-1] == "0.300"
    table["tpr_at_fpr_1pct"] = float("nan")
    assert row_of(printed(defence_tables(table, {})), "noise")[-1] == "–"


@pytest.mark.parametrize("width", [100, 300])
def test_tables_are_at_most_100_columns_wide(width):
    variants = {f"{'a_defence_with_a_long_name_' * 3}{i}": (0.9, 0.6, 0.6, 0.6) for i in range(3)}
    table = points_of(variants).assign(undoing="bn_reestimation_and_a_short_finetune")
    text = printed(defence_tables(table, dict.fromkeys(variants, RECONSTRUCTION)), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text


def test_markdown_has_the_same_with_intervals():
    text = points_markdown(points())
    assert text.startswith(
        "**Weights in hand**\n\n"
        "| variant | utility | static | refitted | adaptive | undone by | false sense of security | TPR@1 % |\n"
    )
    assert text.count("\n\n**Embeddings only**\n\n") == 1
    assert (
        "| bn_perturbation_0.8 | 0.800 [0.780, 0.820] | – | 0.550 [0.530, 0.570] | 0.560 [0.540, 0.580] "
        "| bn_reestimation | – | 0.100 [0.080, 0.120] |\n"
    ) in text


def test_points_that_cannot_be_shown_are_refused():
    with pytest.raises(ReportingError, match="lack access"):
        defence_tables(points().drop(columns="access"), {})
    with pytest.raises(ReportingError, match="lack access"):
        points_markdown(points().drop(columns="access"))
