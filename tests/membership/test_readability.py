"""What cannot be read is told before anything is trained, with the attacks that it is about."""

import pytest

from faceleak.membership.options import MembershipOptions
from faceleak.membership.readability import UnreadableError, check_attacks, without_unreadable
from faceleak.planning.networks import Network

TRAINING = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1}
ATTACKS = {
    "distance": {"signals": ["bn_distance"]},
    "similarity": {"signals": ["reference_similarity", "embedding_norm"], "calibration": "features"},
    "head": {"signals": ["head_loss"]},
}


def check(attacks=("distance", "similarity"), has_head=False, reference=None, target=None, **changes):
    references = {"count": 4, "training": TRAINING | (reference or {})}
    chosen = {name: ATTACKS[name] for name in attacks}
    blocks = {"threat_models": ["partial_knowledge"], "attacks": chosen, "references": references, **changes}
    options = MembershipOptions(**blocks)
    backbones = [
        Network.of(options.references.training.model_copy(update=of or {}), None).make() for of in (target, {})
    ]
    check_attacks(options, backbones[0], has_head, backbones[1])


def test_what_can_be_read_is_accepted():
    check()
    check(("head",), has_head=True)
    check(("similarity",), target={"normalization": "group"})
    check(target={"architecture": "iresnet_demo"})  # nothing but embeddings is compared with references
    check(threat_models=["partial_knowledge", "shadow"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"target": {"normalization": "group"}},
            r"1 of 2 attacks read signals that the target cannot give: distance \(bn_distance\)\. This backbone has no "
            r"batch-norm.* `membership: \{attacks: \{distance: null\}\}`",
        ),
        ({"attacks": ("head",)}, r"head \(head_loss\)\. The target comes without its classification head"),
        (
            {"attacks": ("similarity",), "reference": {"normalization": "group"}, "target": {"normalization": "group"}},
            r"membership\.blind\.reference_signals has bn_distance, which the references",
        ),
        (
            {"reference": {"normalization": "group"}, "target": {"normalization": "batch"}},
            r"that the references of membership\.references\.training cannot give: distance",
        ),
        (
            {"target": {"architecture": "mobilefacenet", "image_size": 112}, "threat_models": ["shadow"]},
            r"1 attacks are fitted on what references show.*\(distance\), but a reference \(iresnet_tiny\) gives other",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_what_to_do(asked, message):
    with pytest.raises(UnreadableError, match=message):
        check(**asked)


def adapted(attacks=("distance", "similarity", "fused"), target=None, threat_models=("partial_knowledge", "shadow")):
    """What is left of these attacks on a target that is another network than the references."""
    known = {**ATTACKS, "fused": {"signals": ["bn_distance", "embedding_norm"], "calibration": "features"}}
    options = MembershipOptions(
        threat_models=list(threat_models),
        attacks={name: known[name] for name in attacks},
        references={"count": 4, "training": TRAINING},
    )
    training = options.references.training
    other = Network.of(training.model_copy(update=target or {}), None).make()
    return without_unreadable(options, other, False, Network.of(training, None).make())


def test_nothing_is_left_out_beside_references_like_the_target():
    found, told = adapted()
    assert list(found.attacks) == ["distance", "similarity", "fused"]
    assert found.threat_models == ["partial_knowledge", "shadow"]
    assert told == []


def test_other_layers_leave_what_embeddings_show_and_who_knows_members():
    found, told = adapted(target={"architecture": "mobilefacenet", "image_size": 112})
    assert {name: attack.signals for name, attack in found.attacks.items()} == {
        "distance": ["bn_distance"],
        "similarity": ["reference_similarity", "embedding_norm"],
        "fused": ["embedding_norm"],
    }
    assert found.threat_models == ["partial_knowledge"]
    assert told[0] == (
        "The attack fused goes without bn_distance: a reference (iresnet_tiny) has other layers than the target "
        "(mobilefacenet)."
    )
    assert told[1].startswith("Attackers of the threat model `shadow` are left out")


def test_without_bn_an_attack_on_bn_is_left_out_and_the_others_stay():
    found, told = adapted(target={"normalization": "group"})
    assert list(found.attacks) == ["similarity", "fused"]
    assert told[0].startswith("The attack distance is left out: This backbone has no batch-normalization layer")
    assert found.threat_models == ["partial_knowledge", "shadow"]


def test_shadow_attackers_alone_keep_the_attacks_that_they_can_make():
    other = {"architecture": "mobilefacenet", "image_size": 112}
    assert list(adapted(target=other, threat_models=("shadow",))[0].attacks) == ["similarity", "fused"]


def test_a_target_on_which_no_attack_can_be_made_is_refused():
    with pytest.raises(UnreadableError, match=r"No attack can be made on this target\. The attack head is left out"):
        adapted(("head",))
