import json

import torch
from torch import nn

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.inventory import take_inventory


def test_the_inventory_counts_by_hand(tiny_backbone):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, eps=1e-3, momentum=0.2), nn.BatchNorm2d(4, affine=False))
    net[1].running_var.fill_(2)
    inventory = take_inventory(Backbone(net, tiny_backbone.card))
    assert inventory == {
        "architecture": "iresnet_tiny",
        "embedding_size": 16,
        "parameters": 3 * 4 * 9 + 4 + 2 * 4,
        "bn_layers": [
            {"name": "1", "channels": 4, "eps": 1e-3, "momentum": 0.2, "affine": True, "statistics_trained": True},
            {"name": "2", "channels": 4, "eps": 1e-5, "momentum": 0.1, "affine": False, "statistics_trained": False},
        ],
    }
    assert json.loads(json.dumps(inventory)) == inventory


def test_statistics_count_as_trained_where_mean_or_variance_moved(tiny_backbone):
    fresh = Backbone(build(tiny_backbone.card), tiny_backbone.card)
    assert not any(layer["statistics_trained"] for layer in take_inventory(fresh)["bn_layers"])
    assert all(layer["statistics_trained"] for layer in take_inventory(tiny_backbone)["bn_layers"])
    fresh.net.features.running_mean[3] = 0.1
    fresh.net.bn1.running_var[0] = 0.9
    assert [layer["name"] for layer in take_inventory(fresh)["bn_layers"] if layer["statistics_trained"]] == [
        "bn1",
        "features",
    ]


def test_a_backbone_without_batch_norm_has_an_empty_list(tiny_backbone):
    inventory = take_inventory(Backbone(nn.Conv2d(3, 2, 1, bias=False), tiny_backbone.card))
    assert inventory["bn_layers"] == []
    assert inventory["parameters"] == 6


def test_taking_an_inventory_changes_nothing(tiny_backbone):
    before = tiny_backbone.weights_hash()
    take_inventory(tiny_backbone.train())
    assert tiny_backbone.weights_hash() == before
    assert tiny_backbone.training
    assert not torch.is_grad_enabled() or all(p.grad is None for p in tiny_backbone.parameters())
