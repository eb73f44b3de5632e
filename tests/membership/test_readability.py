"""What cannot be read is told before anything is trained, with the attacks that it is about."""

import pytest

from faceleak.membership.options import MembershipOptions
from faceleak.membership.readability import UnreadableError, check_attacks
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
