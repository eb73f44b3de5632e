from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, ReestimationError, bn_layers, reestimate
from faceleak.backbones.embedding import embed
from faceleak.backbones.faces_input import to_tensor
from faceleak.bypasses import OwnFaces
from faceleak.bypasses.bn_reestimation import bypass
from faceleak.defenses.bn_perturbation import Settings, defend
from faceleak.defenses.owner import Owner


@pytest.fixture
def own_faces(demo_store) -> list[str]:
    """48 images that the attacker has."""
    return demo_store.manifest()["image_id"].sample(48, random_state=0).tolist()


@pytest.mark.parametrize("strength", [0.4, 5.0])
def test_a_perturbed_target_becomes_the_reestimated_target_to_the_bit(
    strength, tiny_backbone, demo_store, own_faces, compute
):
    # while it reads, every layer divides by the statistics of the batch: what was stored is nowhere used
    owner = Owner(tiny_backbone, None, demo_store, demo_store.manifest().head(0), compute)
    released = defend(owner, Settings(strength=strength), seed=0)
    own = OwnFaces(demo_store, demo_store.manifest().set_index("image_id", drop=False).loc[own_faces], compute)
    bypassed = bypass(released, own)
    expected = reestimate(tiny_backbone, demo_store, own_faces, compute)
    torch.testing.assert_close(bypassed.state_dict(), expected.state_dict(), rtol=0, atol=0)
    image_ids = demo_store.manifest()["image_id"].head(8)
    np.testing.assert_array_equal(
        embed(bypassed, demo_store, image_ids, compute), embed(expected, demo_store, image_ids, compute)
    )


def test_statistics_of_one_batch_are_those_of_its_activations(tiny_backbone, demo_store, own_faces, compute):
    compute = compute.model_copy(update={"batch_size": 48})
    bypassed = reestimate(tiny_backbone, demo_store, own_faces, compute)
    faces = to_tensor(demo_store.images(demo_store.positions(own_faces), 32), torch.device("cpu"))
    activations = tiny_backbone.net.conv1(tiny_backbone.preprocess(faces)).detach().double()
    torch.testing.assert_close(
        bypassed.net.bn1.running_mean.double(), activations.mean((0, 2, 3)), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(bypassed.net.bn1.running_var.double(), activations.var((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_several_batches_are_averaged_and_an_incomplete_last_one_is_left_out(
    tiny_backbone, demo_store, own_faces, compute
):
    bypassed = reestimate(tiny_backbone, demo_store, own_faces[:40], compute)  # 16 + 16, and 8 that are left out
    assert int(bypassed.net.bn1.num_batches_tracked) == 2
    faces = to_tensor(demo_store.images(demo_store.positions(own_faces[:32]), 32), torch.device("cpu"))
    activations = tiny_backbone.net.conv1(tiny_backbone.preprocess(faces)).detach().double()
    expected = torch.stack([half.var((0, 2, 3)) for half in activations.split(16)]).mean(0)
    torch.testing.assert_close(bypassed.net.bn1.running_var.double(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("faces", "batch_size", "batches"), [(2, 16, 1), (5, 16, 1), (17, 16, 1), (6, 1, 3)])
def test_few_faces_and_small_batches_are_possible(
    faces, batch_size, batches, tiny_backbone, demo_store, own_faces, compute
):
    compute = compute.model_copy(update={"batch_size": batch_size})
    bypassed = reestimate(tiny_backbone, demo_store, own_faces[:faces], compute)
    assert int(bypassed.net.bn1.num_batches_tracked) == batches
    assert all(tensor.isfinite().all() for tensor in bypassed.state_dict().values())


@pytest.mark.parametrize("faces", [0, 1])
def test_without_two_faces_there_is_nothing_to_estimate(faces, tiny_backbone, demo_store, own_faces, compute):
    with pytest.raises(ReestimationError, match=f"on {faces} faces.*bypass_images"):
        reestimate(tiny_backbone, demo_store, own_faces[:faces], compute)


def test_the_backbone_handed_in_stays_as_it_came(tiny_backbone, demo_store, own_faces, compute):
    tiny_backbone.train()
    before = deepcopy(tiny_backbone.state_dict())
    reestimate(tiny_backbone, demo_store, own_faces, compute)
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert all(module.training for module in tiny_backbone.modules())
    assert {layer.momentum for layer in bn_layers(tiny_backbone).values()} == {0.1}


def test_the_result_is_in_eval_mode_and_as_configured_as_the_target(tiny_backbone, demo_store, own_faces, compute):
    tiny_backbone.net.bn2.momentum = 0.3
    bypassed = reestimate(tiny_backbone, demo_store, own_faces, compute)
    assert not any(module.training for module in bypassed.modules())
    momenta = {name: layer.momentum for name, layer in bn_layers(bypassed.net).items()}
    assert momenta == {name: layer.momentum for name, layer in bn_layers(tiny_backbone.net).items()}
    weights = dict(tiny_backbone.named_parameters())
    assert all(torch.equal(parameter, weights[name]) for name, parameter in bypassed.named_parameters())
    assert not any(tensor.is_inference() for tensor in (*bypassed.parameters(), *bypassed.buffers()))


def test_a_backbone_without_batch_norm_is_an_error(tiny_backbone, demo_store, own_faces, compute):
    with pytest.raises(NoBatchNormError):
        reestimate(Backbone(nn.Conv2d(3, 2, 1), tiny_backbone.card), demo_store, own_faces, compute)
