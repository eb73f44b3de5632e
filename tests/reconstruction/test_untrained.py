import numpy as np
import pytest
import torch

from faceleak.backbones.embedding import embed
from faceleak.faces.splits import with_role
from faceleak.membership.evidence import known_images
from faceleak.membership.options import AttackOptions
from faceleak.reconstruction.untrained import fit_guide, untrained


@pytest.fixture
def public(demo_splits) -> list[str]:
    return with_role(demo_splits, "auxiliary")["image_id"].tolist()


def test_nothing_of_the_target_is_left(tiny_backbone, demo_store, public, compute) -> None:
    before = tiny_backbone.weights_hash()
    fresh = untrained(tiny_backbone, demo_store, public, 3, compute)
    assert tiny_backbone.weights_hash() == before
    with torch.no_grad():
        for tensor in tiny_backbone.net.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(1)  # another target of the same architecture
    again = untrained(tiny_backbone, demo_store, public, 3, compute)
    assert again.weights_hash() == fresh.weights_hash() != before
    assert untrained(tiny_backbone, demo_store, public, 4, compute).weights_hash() != fresh.weights_hash()


def test_it_tells_faces_apart_as_a_fresh_network_does(tiny_backbone, demo_store, public, compute) -> None:
    fresh = untrained(tiny_backbone, demo_store, public, 0, compute)
    embeddings = embed(fresh, demo_store, public, compute)
    assert np.isfinite(embeddings).all()
    assert embeddings.std(axis=0).min() > 0


def test_the_attack_is_fitted_on_the_known_images(tiny_backbone, demo_store, demo_splits, public, compute) -> None:
    fresh = untrained(tiny_backbone, demo_store, public, 0, compute)
    images = known_images(demo_splits)
    guide = fit_guide(fresh, [], demo_store, images, AttackOptions(signals=["bn_distance"]), compute, "adam")
    assert guide.backbone is fresh
    assert guide.signals == ("bn_distance",)
    swapped = images.assign(is_member=~images["is_member"])
    other = fit_guide(fresh, [], demo_store, swapped, AttackOptions(signals=["bn_distance"]), compute, "adam")
    assert np.allclose(other.model.weights, -np.array(guide.model.weights), atol=1e-3)
