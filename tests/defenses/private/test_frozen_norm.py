from copy import deepcopy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.defenses.private.frozen_norm import FrozenBatchNorm, plain_weights, training_mode, with_frozen_norms


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
