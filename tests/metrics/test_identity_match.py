import numpy as np
import pandas as pd
import pytest

from faceleak.metrics import identity_match
from faceleak.metrics.identity_match import findings_table, hit_list, measure_panel, measure_photographs
from faceleak.metrics.matcher import Gallery, Matcher, Panel, build_gallery
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError

OPTIONS = BootstrapOptions(resamples=200)
RATES = ("member_match_rate", "control_match_rate", "match_advantage", "unknown_member_match_rate")


def axes_gallery(axes, names, dimensions=8):
    """Make people whose templates are coordinate axes, so that cosines can be read off the coordinates."""
    return Gallery(np.eye(dimensions)[axes], np.array(names))


MEMBERS = axes_gallery([0, 1, 2], ["m0", "m1", "m2"])
CONTROLS = axes_gallery([3, 4, 5], ["c0", "c1", "c2"])


def faces(*mixtures):
    """Make one unit embedding a mixture, a dict of axis → cosine; axis 7, where nobody is, takes the rest."""
    embeddings = np.zeros((len(mixtures), 8))
    for row, mixture in zip(embeddings, mixtures, strict=True):
        for axis, cosine in mixture.items():
            row[axis] = cosine
        row[7] = np.sqrt(1 - (row**2).sum())
    return embeddings


def measure_match(embeddings, members, controls, known_members, threshold, options):
    """By one evaluator."""
    matcher = Matcher(members, controls, frozenset(known_members), threshold)
    return identity_match.measure_match([embeddings], [matcher], options)


def test_rates_by_hand():
    reconstructions = faces(
        {0: 0.9},  # shows m0
        {0: 0.7, 1: 0.6},  # m0 again; m1 is above the threshold too
        {2: 0.8, 3: 0.55},  # m2, and c0 as well
        {4: 0.5},  # c1: reaching the threshold is enough
        {1: 0.4, 5: 0.3},  # nobody
    )
    measured = measure_match(reconstructions, MEMBERS, CONTROLS, {"m0"}, 0.5, OPTIONS)
    assert measured["member_match_rate"] == pytest.approx(3 / 5)
    assert measured["control_match_rate"] == pytest.approx(2 / 5)
    assert measured["match_advantage"] == pytest.approx(1 / 5)
    assert measured["unknown_member_match_rate"] == pytest.approx(2 / 5)  # m1 in the second, m2 in the third
    assert measured["distinct_members"] == 2  # m0 and m2: m1 is nobody's best match
    assert set(measured) == {rate + end for rate in RATES for end in ("", "_ci_low", "_ci_high")} | {"distinct_members"}


def test_known_members_may_be_a_set_or_an_array_or_nobody():
    reconstructions = faces({0: 0.9}, {1: 0.9}, {2: 0.9})
    as_array = measure_match(reconstructions, MEMBERS, CONTROLS, np.array(["m0"]), 0.5, OPTIONS)
    assert as_array == measure_match(reconstructions, MEMBERS, CONTROLS, {"m0"}, 0.5, OPTIONS)
    assert as_array["unknown_member_match_rate"] == pytest.approx(2 / 3)
    nobody = measure_match(reconstructions, MEMBERS, CONTROLS, set(), 0.5, OPTIONS)
    assert nobody["unknown_member_match_rate"] == nobody["member_match_rate"] == 1.0


def test_reconstructions_without_a_target_have_no_advantage():
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(30):
        people = generator.normal(size=(80, 8))
        members, controls = build_gallery(people[:40], np.arange(40)), build_gallery(people[40:], np.arange(40, 80))
        measured = measure_match(generator.normal(size=(100, 8)), members, controls, {0}, 0.75, OPTIONS)
        assert 0.1 < measured["control_match_rate"] < 0.9
        covered += measured["match_advantage_ci_low"] <= 0 <= measured["match_advantage_ci_high"]
    assert covered >= 27


def worlds(data_sets, people=40, images=100):
    """Draw reconstructions that favor some people, and match them with a chance that is the person's own."""
    for seed in range(data_sets):
        generator = np.random.default_rng(seed)
        embeddings = np.zeros((images, 2 * people + 1))
        for first, chance in ((0, generator.beta(2, 1, people)), (people, generator.beta(1, 4, people))):
            attraction = generator.gamma(2, size=people)
            person = generator.choice(people, images, p=attraction / attraction.sum())
            matches = generator.random(images) < chance[person]
            embeddings[np.arange(images), first + person] = np.where(matches, 0.6, 0.4)
        embeddings[:, -1] = np.sqrt(1 - (embeddings**2).sum(axis=1))
        yield embeddings


def test_intervals_hold_the_expected_rates_over_people_and_reconstructions():
    templates = np.eye(81)
    members, controls = Gallery(templates[:40], np.arange(40)), Gallery(templates[40:80], np.arange(40, 80))
    measured = [measure_match(world, members, controls, set(), 0.5, OPTIONS) for world in worlds(200)]
    # means of Beta(2, 1) and Beta(1, 4)
    for metric, truth in (("member_match_rate", 2 / 3), ("control_match_rate", 1 / 5), ("match_advantage", 7 / 15)):
        covered = np.mean([m[f"{metric}_ci_low"] <= truth <= m[f"{metric}_ci_high"] for m in measured])
        assert covered >= 0.88, metric
        assert np.mean([m[metric] for m in measured]) == pytest.approx(truth, abs=0.02)
    assert np.mean([m["match_advantage_ci_low"] > 0 for m in measured]) > 0.95


def test_one_face_drawn_many_times_is_one_finding():
    people = 30
    members = Gallery(np.eye(61)[:people], np.arange(people))
    controls = Gallery(np.eye(61)[people:60], np.arange(people, 60))
    widths = {}
    for name, shown in (
        ("spread", np.arange(60) % people),
        ("repeated", np.where(np.arange(60) < 30, 0, np.arange(60) % 30)),
    ):
        embeddings = np.zeros((60, 61))
        embeddings[np.arange(60), shown] = np.where(np.arange(60) < 30, 0.6, 0.4)  # half of them match
        embeddings[:, -1] = np.sqrt(1 - (embeddings**2).sum(axis=1))
        measured = measure_match(embeddings, members, controls, set(), 0.5, OPTIONS)
        assert measured["member_match_rate"] == 0.5
        widths[name] = measured["member_match_rate_ci_high"] - measured["member_match_rate_ci_low"]
    assert widths["repeated"] > 2 * widths["spread"]


def test_the_advantage_adds_independent_draws_of_members_and_controls_and_stays_a_difference_of_rates():
    images, axes = np.arange(60), np.eye(121)
    members, controls = Gallery(axes[:60], np.arange(60)), Gallery(axes[60:120], np.arange(60, 120))
    embeddings = np.zeros((60, 121))
    # each shows a person of its own, 54 of them well enough, and resembles a control of its own a little
    embeddings[images, images] = np.where(images < 54, 0.6, 0.4)
    embeddings[images, 60 + images] = 0.1
    embeddings[:, -1] = np.sqrt(1 - (embeddings**2).sum(axis=1))
    options = BootstrapOptions(resamples=2000, level=0.99)
    measured = measure_match(embeddings, members, controls, set(), 0.5, options)
    spread = measured["member_match_rate"] - measured["member_match_rate_ci_low"]
    assert 1.2 * spread <= measured["match_advantage"] - measured["match_advantage_ci_low"] <= 1.7 * spread  # near √2
    assert measured["match_advantage_ci_high"] == 1.0  # both draws up together would pass it


def test_where_all_show_the_same_person_the_interval_claims_nothing():
    measured = measure_match(faces({0: 0.9}, {0: 0.8}), MEMBERS, CONTROLS, set(), 0.5, OPTIONS)
    assert (measured["member_match_rate_ci_low"], measured["member_match_rate_ci_high"]) == (0.0, 1.0)
    assert (measured["match_advantage_ci_low"], measured["match_advantage_ci_high"]) == (-1.0, 1.0)


def test_none_of_a_few_is_not_certainty():
    # the nearest members are three people, however many faces resemble them
    nobody = faces({0: 0.4}, {1: 0.4}, {2: 0.4, 3: 0.3}, {4: 0.4})
    measured = measure_match(np.tile(nobody, (8, 1)), MEMBERS, CONTROLS, {"m0"}, 0.5, OPTIONS)
    assert measured["member_match_rate"] == measured["match_advantage"] == 0.0
    assert measured["member_match_rate_ci_low"] == 0.0
    assert measured["member_match_rate_ci_high"] == pytest.approx(3.8415 / (3 + 3.8415), abs=1e-4)
    assert measured["match_advantage_ci_low"] == pytest.approx(-measured["control_match_rate_ci_high"])
    assert measured["match_advantage_ci_high"] == pytest.approx(measured["member_match_rate_ci_high"])


def test_the_seed_decides():
    reconstructions = next(worlds(1))
    members = Gallery(np.eye(81)[:40], np.arange(40))
    controls = Gallery(np.eye(81)[40:80], np.arange(40, 80))
    first, again, other = (
        measure_match(reconstructions, members, controls, set(), 0.5, BootstrapOptions(resamples=200, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


@pytest.mark.parametrize(
    ("controls", "known_members", "message"),
    [
        (axes_gallery([3, 4], ["c0", "c1"]), {"m0"}, "3 members and 2 controls"),
        (axes_gallery([3, 4, 5], ["c0", "c1", "m1"]), {"m0"}, "1 of 3 controls are members"),
        (CONTROLS, {"m0", "m1", "m2"}, "images of all 3 members"),
        (CONTROLS, {"elsewhere"}, "None of the 1 known members is in the gallery"),
    ],
)
def test_galleries_that_do_not_compare_are_refused(controls, known_members, message):
    with pytest.raises(MetricError, match=message):
        measure_match(faces({0: 0.9}), MEMBERS, controls, known_members, 0.5, OPTIONS)


def test_an_empty_face_is_refused():
    with pytest.raises(MetricError, match="1 of 1 embeddings are zero"):
        measure_match(np.zeros((1, 8)), MEMBERS, CONTROLS, set(), 0.5, OPTIONS)


def matcher(threshold=0.5, members=MEMBERS, controls=CONTROLS):
    return Matcher(members, controls, frozenset({"m0"}), threshold)


def test_two_judges_have_to_agree_on_the_person():
    first = faces({0: 0.9}, {0: 0.9}, {1: 0.9}, {2: 0.9})
    second = faces({0: 0.6}, {1: 0.6}, {1: 0.4}, {2: 0.6})  # the same; somebody else; not sure enough; the same
    measured = identity_match.measure_match([first, second], [matcher(), matcher()], OPTIONS)
    assert measured["member_match_rate"] == pytest.approx(2 / 4)
    assert measured["unknown_member_match_rate"] == pytest.approx(1 / 4)  # m2; the first sees no m1 in the second
    assert measured["distinct_members"] == 2
    assert identity_match.measure_match([first], [matcher()], OPTIONS)["member_match_rate"] == 1


def test_a_panel_tells_what_each_evaluator_says_and_what_a_resembling_one_adds():
    first = faces({0: 0.9}, {0: 0.9}, {1: 0.9}, {2: 0.4})
    second = faces({0: 0.6}, {1: 0.6}, {1: 0.4}, {2: 0.4})
    resembling = faces({0: 0.9}, {1: 0.9}, {2: 0.9}, {2: 0.9})
    matchers = {"first": matcher(), "second": matcher(), "resembling": matcher()}
    lax = {name: matcher(0.3) for name in matchers}
    embeddings = {"first": first, "second": second, "resembling": resembling}
    measured = measure_panel(embeddings, Panel(matchers, lax, ("first", "second")), OPTIONS)
    assert measured["member_match_rate"] == 1 / 4
    alone = measured["evaluators"]
    assert [alone[name]["member_match_rate"] for name in embeddings] == [3 / 4, 2 / 4, 1]
    assert alone["second"]["any_image_member_match_rate"] == 1
    assert measured["resembling_gap"] == pytest.approx(1 - (3 / 4 + 2 / 4) / 2)
    assert measured["resembling_gap_ci_low"] <= measured["resembling_gap"] <= measured["resembling_gap_ci_high"]


def test_without_a_resembling_evaluator_there_is_no_gap():
    panel = Panel({"first": matcher()}, {"first": matcher(0.3)}, ("first",))
    assert "resembling_gap" not in measure_panel({"first": faces({0: 0.9}, {1: 0.9})}, panel, OPTIONS)


def test_what_judges_make_of_photographs_by_hand():
    matcher = Matcher(MEMBERS, CONTROLS, frozenset({"m0"}), 0.5)
    panel = Panel({"first": matcher, "second": matcher}, {"first": matcher, "second": matcher}, ("first", "second"))
    photographs = faces({0: 0.9}, {1: 0.8}, {0: 0.7}, {2: 0.3}, {0: 0.9})
    people = np.array(["m0", "m1", "m1", "m2", "somebody else"])  # found; found; m0 instead; nobody; not in the gallery
    by_both = dict.fromkeys(("first", "second"), photographs)
    measured = measure_photographs(by_both, people, panel, OPTIONS)
    assert measured["photograph_match_rate"] == 2 / 4
    assert measured["photograph_match_rate_ci_low"] <= 0.16  # Wilson's of 2 of 4: 0.150
    assert measured["photograph_match_rate_ci_high"] >= 0.84
    blind = measure_photographs(by_both | {"second": faces(*[{}] * 5)}, people, panel, OPTIONS)
    assert blind["photograph_match_rate"] == 0  # one evaluator who recognizes nobody is enough: all have to agree
    assert measure_photographs(by_both, np.array(["x"] * 5), panel, OPTIONS) == {}


AXES = np.eye(5)
SHOWN_MEMBERS, SHOWN_CONTROLS = Gallery(AXES[:2], np.array(["a", "b"])), Gallery(AXES[2:4], np.array(["c", "d"]))


@pytest.fixture
def panel() -> Panel:
    matcher = Matcher(SHOWN_MEMBERS, SHOWN_CONTROLS, frozenset({"a"}), 0.5)
    return Panel({"one": matcher, "two": matcher, "three": matcher}, {}, ("one", "two"))


def test_findings_by_hand(panel: Panel) -> None:
    one, two = np.array([[4.0, 0, 0, 3, 0], [0, 1, 0, 0, 0]]), np.array([[1.0, 0, 0, 0, 0], [3, 4, 0, 0, 0]])
    table = findings_table({"one": one, "two": two, "three": one}, panel)
    assert table["member_identity"].tolist() == ["a", "b"]
    assert table["matches_member"].tolist() == [True, True]
    assert table["known"].tolist() == [True, False]
    assert table["matches_control"].tolist() == [False, False]  # the first says d, the second does not
    assert table["member_similarity.one"].tolist() == pytest.approx([0.8, 1])
    assert table["member_similarity.two"].tolist() == pytest.approx([1, 0.8])
    assert {"member_similarity.three", "control_similarity.three"} < set(table)  # is told, and counts for nothing


def test_the_hit_list_counts_matches_alone(panel: Panel) -> None:
    embeddings = np.array([[1.0, 0, 0, 0, 0], [3, 0, 0, 0, 4], [3, 0, 0, 0, 3], [0, 1, 0, 0, 0]])
    table = findings_table({"one": embeddings, "two": embeddings, "three": embeddings}, panel)
    hits = hit_list(table.assign(evaluation="undefended", step="optimized"))
    assert hits[["identity", "known", "reconstructions"]].to_numpy().tolist() == [["a", True, 3], ["b", False, 1]]
    assert hits["best_similarity.two"].tolist() == pytest.approx([1, 1])
    nobody = hit_list(table.assign(evaluation="undefended", step="random", matches_member=False))
    assert len(nobody) == 0
    assert isinstance(nobody, pd.DataFrame)
    assert list(nobody) == list(hits)
