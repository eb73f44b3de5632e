from copy import deepcopy

import pytest
import torch
from opacus import GradSampleModule
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.arcface import ArcFaceHead
from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.network import (
    CosineHead,
    FrozenBatchNorm,
    arcface_losses,
    choose_trainable,
    plain_weights,
    training_mode,
    with_frozen_norms,
)


def test_a_net_with_frozen_norms_answers_as_in_eval_mode_and_keeps_its_buffers(tiny_backbone):
    faces = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    frozen = with_frozen_norms(tiny_backbone.net)
    training_mode(frozen)
    before = deepcopy(dict(frozen.named_buffers()))
    with torch.no_grad():
        torch.testing.assert_close(frozen(faces), tiny_backbone.net(faces), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(dict(frozen.named_buffers()), before, rtol=0, atol=0)


def test_no_module_that_learns_has_buffers_and_every_other_layer_is_in_train_mode(tiny_backbone):
    frozen = with_frozen_norms(tiny_backbone.net)
    training_mode(frozen)
    for module in frozen.modules():
        learns = any(parameter.requires_grad for parameter in module.parameters(recurse=False))
        assert not (learns and list(module.buffers()))
        assert module.training != isinstance(module, _BatchNorm)


def test_the_weights_go_back_to_where_they_came_from_to_the_bit(tiny_backbone):
    weights = plain_weights(with_frozen_norms(tiny_backbone.net).state_dict())
    assert set(weights) == set(tiny_backbone.net.state_dict())
    torch.testing.assert_close(weights, dict(tiny_backbone.net.state_dict()), rtol=0, atol=0)


def test_a_scale_that_the_architecture_fixes_stays_fixed(tiny_backbone):
    frozen = with_frozen_norms(tiny_backbone.net)
    assert not frozen.features.affine.weight.requires_grad
    assert frozen.features.affine.bias.requires_grad


def test_the_net_handed_in_keeps_its_own_layers():
    net = nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2))
    frozen = with_frozen_norms(net)
    assert isinstance(net[1], nn.BatchNorm2d)
    assert isinstance(frozen[1], FrozenBatchNorm)
    nn.init.zeros_(frozen[1].affine.weight)
    assert bool((net[1].weight == 1).all())


CLASSES = torch.tensor([2, 0, 1, 2])


@pytest.fixture
def head() -> CosineHead:
    return CosineHead(3, 5, torch.Generator().manual_seed(0))


@pytest.fixture
def embeddings() -> torch.Tensor:
    return torch.randn(4, 5, generator=torch.Generator().manual_seed(1))


def test_the_mean_loss_is_that_of_the_arcface_head(head, embeddings):
    whole = ArcFaceHead(3, 5, margin=0.4, scale=20)
    whole.load_state_dict(head.state_dict())
    losses = arcface_losses(head(embeddings), CLASSES, 0.4, 20)
    assert losses.shape == (4,)
    torch.testing.assert_close(losses.mean(), whole(embeddings, CLASSES))


def test_per_sample_gradients_are_those_of_one_image_at_a_time(head, embeddings):
    with torch.no_grad():
        head.weight *= torch.tensor([[0.5], [1.0], [3.0]])
    alone = [
        torch.autograd.grad(arcface_losses(head(embeddings[i, None]), CLASSES[i, None], 0.4, 20).sum(), head.weight)[0]
        for i in range(4)
    ]
    embeddings.requires_grad_()
    sampled = GradSampleModule(head, loss_reduction="sum")
    arcface_losses(sampled(embeddings), CLASSES, 0.4, 20).sum().backward()
    torch.testing.assert_close(sampled._module.weight.grad_sample, torch.stack(alone))


def test_a_net_without_the_named_parameters_is_an_error():
    with pytest.raises(PrivateTrainingError, match="of the kind `last_layer`"):
        choose_trainable(nn.Conv2d(3, 2, 1), "last_layer")


def test_norms_that_are_no_bn_count_as_norms():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4, 2))
    choose_trainable(net, "scale_and_bias")
    assert [name for name, parameter in net.named_parameters() if parameter.requires_grad] == ["1.weight", "1.bias"]
