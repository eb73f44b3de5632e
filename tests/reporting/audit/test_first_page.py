"""The first page: verdicts, the two questions, the worst person, what to do."""

import pytest

from faceleak.defenses import registry as defenses
from faceleak.defenses.options import DefenseOptions
from faceleak.membership.options import MembershipOptions
from faceleak.reporting.audit.document import make_audit
from faceleak.reporting.audit.first_page import summarize, untested
from faceleak.reporting.audit.page import model_card
from faceleak.reporting.audit.parts import Missing
from faceleak.reporting.audit.questions import recognized
from faceleak.reporting.verdict import UPPER_BOUND_NOTE
from faceleak.signals import registry as signals
from tests.reporting.audit.conftest import (
    NOTHING_FOUND,
    attack,
    membership,
    reconstruction,
    step,
    with_bounds,
    write_everything,
    write_json,
)


def summary(evidence_of, folder, found, drawn=None, **changes):
    write_json(folder / "08_reporting", "membership_metrics.json", found)
    if drawn:
        write_json(folder / "08_reporting", "reconstruction_metrics.json", drawn)
    return summarize(evidence_of(folder, **changes))


def verdicts(page):
    return [answer.verdict for answer in page.answers]


def test_a_leak_from_weights_alone_says_nothing_of_queries(evidence_of, tmp_path):
    found = membership(bn_distance_shadow=attack(0.8, 0.2, 0.3), reference_similarity_shadow=attack(0.5, 0.01, 0.0))
    page = summary(evidence_of, tmp_path, found)
    assert page.headline == "The model gives away who it was trained on, from its weights."
    assert verdicts(page) == ["leaks", "no evidence"]
    assert page.answers[0].average[0].attack == "bn_distance_shadow"
    assert page.answers[0].average[0].answer.replace("\u00a0", " ") == "20 % [18–22 %] found"
    assert page.answers[1].average[0].attack == "reference_similarity_shadow"


def test_what_the_head_gives_away_decides_nothing_and_stands_apart(evidence_of, tmp_path, parameters):
    found = {"undefended": {**NOTHING_FOUND["undefended"], "upper_bound": {"head_loss_shadow": attack(1.0, 1.0, 0.5)}}}
    block = parameters.membership.model_dump()
    block["attacks"]["head_loss"] = {"signals": ["head_loss"]}
    page = summary(evidence_of, tmp_path, found, membership=MembershipOptions(**block))
    assert verdicts(page) == ["no evidence", "no evidence"]
    assert "head_loss" not in page.model_dump_json()
    audit = make_audit(evidence_of(tmp_path, membership=MembershipOptions(**block)))
    (section,) = (section for section in audit.sections if section.id == "membership")
    (table,) = (
        b for b in section.blocks if getattr(b, "caption", "").startswith("Upper bound") and "unseen" in b.caption
    )
    assert table.rows[0][0] == "head_loss_shadow"
    assert UPPER_BOUND_NOTE in [getattr(block, "text", "") for block in section.blocks]


def test_nothing_found_is_no_certificate(evidence_of, tmp_path):
    page = summary(evidence_of, tmp_path, NOTHING_FOUND)
    assert page.verdict == "no evidence"
    assert "That is no certificate." in " ".join(page.meaning)
    assert not [action for action in page.actions if "personal data" in action.text]


def test_a_target_that_recognizes_nobody_allows_no_conclusion_in_either_stage(evidence_of, tmp_path):
    collapsed = with_bounds("verification_auc", 0.5) | {"embedding_spread": 0.0}
    write_json(tmp_path / "08_reporting", "utility_metrics.json", {"undefended": {"utility": collapsed}})
    page = summary(evidence_of, tmp_path, NOTHING_FOUND, reconstruction(0.06, 0.05))
    assert verdicts(page) == ["cannot conclude", "cannot conclude"]
    why = "the backbone does not work: its embeddings do not vary from face to face; it recognizes nobody"
    assert all(why in reason for answer in page.answers for reason in answer.reasons)
    assert any("reconstruction by" in reason for reason in page.answers[0].reasons)
    assert any(action.text.startswith(f"Find out why {why}") for action in page.actions)
    written = make_audit(evidence_of(tmp_path))
    assert why in model_card(written)
    assert why in written.model_dump_json()


@pytest.mark.parametrize(("found", "verdict"), [(0.9, "no evidence"), (0.02, "cannot conclude")])
def test_judges_who_do_not_know_members_in_photographs_allow_no_conclusion(evidence_of, tmp_path, found, verdict):
    drawn = reconstruction(0.06, 0.05)
    steps = drawn["undefended"]["reconstruction"]["bn_moments_partial_knowledge"]
    steps["optimized"] |= with_bounds("photograph_match_rate", found)
    page = summary(evidence_of, tmp_path, NOTHING_FOUND, drawn)
    assert verdicts(page) == [verdict, "no evidence"]
    told = "the evaluators find members in 0.020 [0.000, 0.040] of real photographs of them"
    assert (told in page.answers[0].reasons[0]) == (verdict == "cannot conclude")


@pytest.mark.parametrize(
    ("ceiling", "found", "verdict"),
    [(0.8, 0.06, "no evidence"), (0.06, 0.06, "cannot conclude"), (0.06, 0.4, "leaks")],
)
def test_a_prior_that_cannot_draw_members_says_nothing_of_the_target(evidence_of, tmp_path, ceiling, found, verdict):
    drawn = reconstruction(found, 0.05)
    drawn["undefended"]["reconstruction"]["bn_moments_partial_knowledge"]["ceiling"] = step(ceiling, 0.05)
    page = summary(evidence_of, tmp_path, NOTHING_FOUND, drawn)
    assert verdicts(page) == [verdict, "no evidence"]
    assert ("this prior cannot draw them" in page.answers[0].reasons[0]) == (verdict == "cannot conclude")


def test_a_run_without_stage_2_is_reported_whatever_attack_stage_2_would_take(evidence_of, tmp_path):
    base = evidence_of(tmp_path).configuration.membership
    kept = {name: attack for name, attack in base.attacks.items() if name not in ("bn_moments", "bavaria")}
    write_everything(tmp_path)
    evidence = evidence_of(tmp_path, membership=base.model_copy(update={"attacks": kept}))
    assert summarize(evidence).verdict == "leaks"
    assert make_audit(evidence)


def test_data_that_gives_members_away_allows_no_conclusion(evidence_of, tmp_path):
    found = membership(bn_distance_shadow=attack(0.8, 0.2, 0.1))
    found["undefended"]["membership"]["blind_partial_knowledge"] = attack(0.8, 0.2)
    page = summary(evidence_of, tmp_path, found)
    assert verdicts(page) == ["cannot conclude", "not tested"]
    assert "blind baseline alone separates members" in page.answers[0].reasons[0]


@pytest.mark.parametrize(("member", "verdict"), [(0.4, "leaks"), (0.06, "no evidence")])
def test_reconstruction_counts_for_who_holds_the_weights(evidence_of, tmp_path, member, verdict):
    page = summary(evidence_of, tmp_path, NOTHING_FOUND, reconstruction(member, 0.05))
    assert verdicts(page) == [verdict, "no evidence"]
    assert [finding.asked for finding in page.answers[0].average][-1].startswith("Do faces drawn")
    assert not any(finding.asked.startswith("Do faces drawn") for finding in page.answers[1].average)


def test_a_search_that_finds_members_without_the_target_allows_no_conclusion(evidence_of, tmp_path):
    drawn = reconstruction(0.4, 0.05)
    steps = drawn["undefended"]["reconstruction"]["bn_moments_partial_knowledge"]
    steps["untrained_guided"] = step(0.3, 0.1)
    page = summary(evidence_of, tmp_path, NOTHING_FOUND, drawn)
    assert verdicts(page) == ["cannot conclude", "no evidence"]
    assert page.answers[0].reasons[0].endswith("a search without the target finds members.")


def test_an_attack_that_the_configuration_does_not_know_counts_among_those_on_weights(evidence_of, tmp_path):
    page = summary(evidence_of, tmp_path, membership(forgotten_shadow=attack(0.8, 0.2, 0.3)))
    assert verdicts(page) == ["leaks", "not tested"]


def test_of_equal_attacks_the_one_with_the_higher_auc_is_named(evidence_of, tmp_path):
    found = membership(bn_distance_shadow=attack(0.8, 0.2, 0.3), bn_moments_shadow=attack(0.9, 0.2, 0.3))
    assert summary(evidence_of, tmp_path, found).answers[0].average[0].attack == "bn_moments_shadow"


def test_without_repeats_and_hits_the_worst_person_is_not_told_but_the_command_is(evidence_of, attacked):
    weights, _ = summarize(evidence_of(attacked)).answers
    sure, by_record = weights.worst
    assert sure.answer.replace("\u00a0", " ") == (
        "10 % [8–12 %] of people, with none of 40 others accused "
        "(guessing finds 1 in 41; that up to 8.8 % of others would be accused is possible)"
    )
    assert by_record == Missing(
        what="Does the model remember somebody in particular?", command="kedro run --pipelines=repeats --env=lfw"
    )


def test_the_worst_person_is_told_by_records_and_hits(evidence_of, complete):
    weights, queries = summarize(evidence_of(complete)).answers
    told = [finding.answer for finding in weights.worst]
    assert told[1] == (
        "1 of 2 people stand out significantly (q ≤ 0.05); the most exposed by p = 1.0·10⁻⁹, over up to 3 targets"
    )
    assert told[2] == "1 training person was recognized, in 5 faces; the attacker had no image of them"
    unmeasured = "Not measured: membership.risk names bavaria, which takes the weights of the backbone."
    assert queries.worst[1].answer == unmeasured


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        ((0, 0, 0), "No training person was recognized"),
        ((1, 0, 1), "1 training person was recognized, in 1 face; the attacker had an image of them"),
        ((1, 1, 2), "1 training person was recognized, in 2 faces; the attacker had no image of them"),
        ((3, 0, 1), "3 training people were recognized, one of them in 1 face; the attacker had images of all of them"),
        (
            (3, 1, 2),
            "3 training people were recognized, one of them in 2 faces; the attacker had no image of 1 of them",
        ),
        (
            (2, 2, 9),
            "2 training people were recognized, one of them in 9 faces; the attacker had no image of any of them",
        ),
    ],
)
def test_who_was_recognized_reads_well_at_every_count(counts, sentence):
    assert recognized(*counts) == sentence


def test_risks_by_an_attack_on_embeddings_count_for_queries(evidence_of, complete, parameters):
    block = parameters.membership.model_dump()
    block["attacks"]["by_queries"] = {"signals": ["reference_similarity"], "calibration": "bavaria"}
    block["risk"] = {"attack": "by_queries", "threat_model": "shadow"}
    _, queries = summarize(evidence_of(complete, membership=MembershipOptions(**block))).answers
    assert queries.worst[1].answer.startswith("1 of 2 people stand out")


def test_actions_follow_from_policies_recommendation_and_what_is_missing(evidence_of, complete, attacked):
    told = [action.text for action in summarize(evidence_of(complete)).actions]
    assert told[0] == "Do not release it as it is: 1 of 2 release policies is violated."
    assert "Where the weights are handed out: noise_1 reaches the goal at the least cost" in told[2]
    assert "Where only a service is offered: No defense is needed" in told[3]
    commands = {action.command for action in summarize(evidence_of(attacked)).actions}
    assert {f"kedro run --pipelines={name} --env=lfw" for name in ("defense", "repeats", "gate")} <= commands


def test_where_one_per_cent_cannot_be_told_the_share_with_nobody_accused_is(evidence_of, tmp_path):
    numbers = attack(0.8, 0.2, 0.3)
    for of_population in numbers.values():
        of_population.update(dict.fromkeys(("tpr_at_fpr_1pct", "tpr_at_fpr_1pct_ci_low", "tpr_at_fpr_1pct_ci_high")))
    found = summary(evidence_of, tmp_path, membership(bn_distance_shadow=numbers)).answers[0].average[0]
    assert found.answer.replace("\u00a0", " ") == (
        "10 % [8–12 %] found, with none of 40 others accused "
        "(guessing finds 1 in 41; that up to 8.8 % of others would be accused is possible)"
    )


PARTS = {
    "reconstruction_metrics.json": "Whether faces of training people can be drawn out of the model.",
    "defense_membership_metrics.json": "Whether a defense would help.",
    "comparison_metrics.json": "Other training runs of the same recipe: every number is of this one target.",
    "identity_risks.csv": "The risk of each single person.",
}


def test_parts_without_results_are_named_and_only_those(evidence_of, attacked, complete):
    assert set(PARTS.values()) <= set(untested(evidence_of(attacked)))
    assert not set(PARTS.values()) & set(untested(evidence_of(complete)))


def test_a_threat_model_that_is_not_configured_is_named(evidence_of, attacked, parameters):
    sentence = "Attackers of the threat model shadow."
    assert sentence not in untested(evidence_of(attacked))
    block = parameters.membership.model_dump() | {"threat_models": ["partial_knowledge"], "risk": None}
    assert sentence in untested(evidence_of(attacked, membership=MembershipOptions(**block)))


def test_signals_that_no_attack_reads_are_named(evidence_of, attacked, parameters):
    block = parameters.membership.model_dump()
    block["attacks"]["all"] = {"signals": signals.names()}
    assert any("part crop" in sentence for sentence in untested(evidence_of(attacked)))
    told = untested(evidence_of(attacked, membership=MembershipOptions(**block)))
    assert not any("further signal" in sentence for sentence in told)


def test_attacks_without_results_and_populations_are_named(evidence_of, attacked):
    told = untested(evidence_of(attacked))
    assert "The configured attacks bn moments, fused and bavaria: no results." in told
    assert "Members against identity other images." in told


def test_defenses_and_attackers_that_were_left_out_are_named(evidence_of, complete, parameters):
    some = {"variants": [{"defense": "bn_folding"}], "attackers": ["static"], "threat_models": ["shadow"]}
    told = untested(evidence_of(complete, defense=DefenseOptions(**{**parameters.defense.model_dump(), **some})))
    (left_out,) = [sentence for sentence in told if sentence.startswith("The defenses")]
    assert all(name.replace("_", " ") in left_out for name in defenses.names() if name != "bn_folding")
    assert "bn folding" not in left_out
    assert "Defended variants against the attacker refitted and adaptive." in told
    assert "Defended variants against attackers of the threat model partial knowledge." in told


def test_reconstruction_by_queries_is_untested_unless_embeddings_were_inverted(evidence_of, tmp_path):
    sentence = "Reconstruction by somebody who only gets answers to queries."
    write_json(tmp_path / "08_reporting", "reconstruction_metrics.json", reconstruction())
    assert sentence in untested(evidence_of(tmp_path))
    write_json(tmp_path / "08_reporting", "targeted_metrics.json", {})
    assert sentence not in untested(evidence_of(tmp_path))


def test_people_whom_the_attacker_knows_are_not_judged(evidence_of, complete):
    assert "1 of 2 training people: attackers of partial knowledge know this one." in untested(evidence_of(complete))


@pytest.mark.parametrize("source", ["train", "load"])
def test_a_target_from_outside_may_have_seen_more_people(evidence_of, attacked, parameters, source):
    told = untested(evidence_of(attacked, target=parameters.target.model_copy(update={"source": source})))
    assert any("images were not given to the audit" in sentence for sentence in told) == (source == "load")
