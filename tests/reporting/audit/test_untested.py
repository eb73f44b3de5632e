"""What was not tested follows from configuration and results, and nothing is claimed otherwise."""

import pytest

from faceleak.defenses import registry as defenses
from faceleak.defenses.options import DefenseOptions
from faceleak.membership.options import MembershipOptions
from faceleak.reporting.audit.untested import untested
from faceleak.signals import registry as signals
from tests.reporting.audit.conftest import reconstruction, write_json

PARTS = {
    "reconstruction_metrics.json": "Whether faces of training people can be drawn out of the model.",
    "defense_membership_metrics.json": "Whether a defence would help.",
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


def test_defences_and_attackers_that_were_left_out_are_named(evidence_of, complete, parameters):
    some = {"variants": [{"defense": "bn_folding"}], "attackers": ["static"], "threat_models": ["shadow"]}
    told = untested(evidence_of(complete, defense=DefenseOptions(**{**parameters.defense.model_dump(), **some})))
    (defences,) = [sentence for sentence in told if sentence.startswith("The defences")]
    assert all(name.replace("_", " ") in defences for name in defenses.names() if name != "bn_folding")
    assert "bn folding" not in defences
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
