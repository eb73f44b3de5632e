"""What the terminal shows: at most 100 columns, numbers and readings, names that are no markup."""

import io

import pandas as pd
import pytest
from rich.console import Console

from faceleak.reporting.checks import ReportingError
from faceleak.reporting.results import read_variants
from faceleak.reporting.terminal import defense_tables, headline_tables, roles_table, targeted_tables
from faceleak.reporting.verdict import UPPER_BOUND_NOTE
from tests.reporting.conftest import METRICS, interval, membership, points_of

WEIGHTS = {"undefended": (0.945, 0.854, 0.854, 0.863), "bn_perturbation_0.8": (0.8, 0.525, 0.506, 0.863)}
EMBEDDINGS = {"undefended": (0.945, 0.7, 0.7, 0.71), "bn_perturbation_0.8": (0.8, None, 0.55, 0.56)}
RECONSTRUCTION = {
    "reconstruction": {"bn_moments_partial_knowledge_adaptive": {"optimized": {"match_advantage": 0.4}}},
}


def rate(name: str, value: float) -> dict[str, float]:
    return {name: value, f"{name}_ci_low": value - 0.1, f"{name}_ci_high": value + 0.1}


TARGETED = {
    method: {
        kind: rate("type_1_success_rate", first) | rate("type_2_success_rate", first / 2)
        for kind, first in (("members", share), ("non_members", share - 0.2))
    }
    for method, share in (("linear", 0.4), ("optimized", 0.8))
}
PERSON = {
    method: {
        whose: rate("match_rate", share + place / 100) | rate("likeness", 0.3)
        for place, whose in enumerate(("members", "members_other_images", "non_members", "member_excess"))
    }
    for method, share in (("start", 0.1), ("inversion", 0.3), ("person_image", 0.5), ("gain", -0.2))
} | {"verdict": {"image": rate("auc", 0.7), "person_image": rate("auc", 0.6)}}


def shown(tables, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    for table in tables:
        console.print(table)
    return console.file.getvalue()


def printed(metrics, width=100):
    return shown(headline_tables(read_variants(metrics)), width)


def row_of(text, *starts):
    """The cells of the first line, below the lines that begin so, that begins with the last of `starts`."""
    lines = [line.strip() for line in text.splitlines()]
    for start in starts:
        place = next(i for i, line in enumerate(lines) if line.startswith(start))
        line, lines = lines[place], lines[place + 1 :]
    return line.removeprefix(starts[-1]).split()


def cells_of(text, variant):
    return next(line for line in text.splitlines() if line.startswith(variant)).split()[1:]


def test_no_metrics_give_no_table():
    assert headline_tables([]) == []


def test_headlines_show_the_numbers():
    text = printed(METRICS)
    assert row_of(text, "Utility", "undefended") == ["0.945", "[0.935,", "0.955]", "0.300"]
    assert row_of(text, "Utility", "noise_0.4 after bn reestimation") == ["0.945", "–"]
    attack = row_of(text, "Membership inference: undefended", "unseen_identity", "bn_distance_partial_knowledge")
    assert attack == ["0.854", "[0.804,", "0.904]", "0.700", "0.125", "+0.334"]
    blind = row_of(text, "Membership inference: undefended", "unseen_identity", "blind_partial_knowledge")
    assert blind == ["0.520", "[0.470,", "0.570]", "–", "–", "–"]
    optimized = row_of(text, "Reconstruction: undefended, bn_distance_partial_knowledge", "optimized")
    assert optimized == ["0.830", "0.200", "+0.630", "[0.505,", "0.755]", "55", "0.470", "0.350", "-0.020"]
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


def test_a_rate_that_so_few_cannot_show_is_said_to_be_not_measurable():
    few = {**membership(0.9, 0.3), "tpr_at_fpr_1pct": None, "non_members": 96}
    text = " ".join(printed({"undefended": {"membership": {"rmia_shadow": {"unseen_identity": few}}}}).split())
    assert "TPR at FPR 1 %: not measurable with 96 non-members, 199 are needed" in text
    assert "not measurable" not in printed(METRICS)


def test_what_an_asr_assumes_stands_beside_it():
    assert "A shadow attacker carries it over from its own backbones" in " ".join(printed(METRICS).split())


def points():
    return pd.concat([points_of(WEIGHTS), points_of(EMBEDDINGS, "embeddings")], ignore_index=True)


def test_a_table_an_access_and_one_of_reconstruction():
    weights, embeddings, reconstruction = (
        shown([table]) for table in defense_tables(points(), read_variants({"bn_perturbation_0.8": RECONSTRUCTION}))
    )
    assert "an attacker with weights in hand" in weights
    assert cells_of(weights, "undefended") == [
        *("0.945", "±.02", "0.854", "±.02", "0.854", "±.02", "0.863", "±.02", "nothing", "+0.009", "0.100"),
    ]
    assert cells_of(weights, "bn_perturbation_0.8") == [
        *("0.800", "±.02", "0.525", "±.02", "0.506", "±.02", "0.863", "±.02", "bn_reestimation", "+0.338", "0.100"),
    ]
    assert "an attacker with embeddings only" in embeddings
    assert cells_of(embeddings, "bn_perturbation_0.8") == [
        *("0.800", "±.02", "–", "0.550", "±.02", "0.560", "±.02", "bn_reestimation", "–", "0.100"),
    ]
    assert cells_of(reconstruction, "bn_perturbation_0.8") == ["–", "–", "+0.400"]


def test_variants_stand_in_the_order_of_the_points():
    text = shown(defense_tables(points_of(dict(reversed(WEIGHTS.items()))), read_variants({})))
    assert text.index("bn_perturbation_0.8") < text.index("undefended")


def test_the_highest_rate_of_any_attacker_is_shown():
    table = points_of({"noise": (0.9, 0.6, 0.7, 0.8)})
    table["tpr_at_fpr_1pct"] = [0.3, float("nan"), 0.2]
    assert cells_of(shown(defense_tables(table, read_variants({}))), "noise")[-1] == "0.300"
    table["tpr_at_fpr_1pct"] = float("nan")
    assert cells_of(shown(defense_tables(table, read_variants({}))), "noise")[-1] == "–"


@pytest.mark.parametrize("width", [100, 300])
def test_tables_are_at_most_100_columns_wide(width):
    variants = {f"{'a_defense_with_a_long_name_' * 3}{i}": (0.9, 0.6, 0.6, 0.6) for i in range(3)}
    table = points_of(variants).assign(bypass="bn_reestimation_and_a_short_finetune")
    text = shown(defense_tables(table, read_variants(dict.fromkeys(variants, RECONSTRUCTION))), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    assert "…" not in text


def test_points_that_cannot_be_shown_are_refused():
    with pytest.raises(ReportingError, match="lack access"):
        defense_tables(points().drop(columns="access"), read_variants({}))


def test_the_tables_say_who_is_accepted_beside_what():
    text = shown(targeted_tables(TARGETED, PERSON))
    assert max(map(len, text.splitlines())) <= 100
    row = next(line for line in text.splitlines() if line.startswith("optimized"))
    for cell in ("0.800 [0.700, 0.900]", "0.600 [0.500, 0.700]", "0.400 [0.300, 0.500]", "0.300 [0.200, 0.400]"):
        assert cell in row
    assert "not who was trained on" in text
    row = next(line for line in text.splitlines() if line.startswith("non-members, other images"))
    for cell in ("0.320 [0.220, 0.420]", "0.520 [0.420, 0.620]", "-0.180 [-0.280, -0.080]"):
        assert cell in row
    assert "image 0.700 [0.600, 0.800], person image 0.600 [0.500, 0.700]" in " ".join(text.split())


def test_each_table_is_there_only_if_it_was_measured():
    assert len(targeted_tables(TARGETED, None)) == len(targeted_tables(None, PERSON)) == 1
    assert targeted_tables(None, None) == []


def test_roles_are_shown_with_who_decided_them():
    splits = pd.DataFrame({"role": ["member"], "identity": ["anna"], "known": [True], "decided_by": ["user"]})
    assert "stated by the user" in shown([roles_table(splits)])


def test_below_the_steps_stand_the_ranks_and_what_the_prior_cannot_draw():
    ranks = {"median_rank": 2.0, "median_rank_ci_low": 1.0, "median_rank_ci_high": 4.0}
    ceiling = {"match_advantage": 0.0, "match_advantage_ci_low": -0.1, "member_match_rate": 0.0}
    steps = {
        "optimized": {"match_advantage": 0.0, "match_advantage_ci_low": -0.1},
        "ceiling": ceiling | ranks | {"cmc_at_10": 0.75, "people_ranked": 260},
    }
    (variant,) = read_variants({"undefended": {"reconstruction": {"bn_moments_partial_knowledge": steps}}})
    (table,) = headline_tables([variant])
    assert str(table.caption).splitlines() == [
        "ceiling: the right person is at rank 2 [1, 4] of 260, among the first ten in 0.750",
        "this prior cannot draw them: of photos of members that it draws as nearly as it can, 0.000 match one.",
    ]
