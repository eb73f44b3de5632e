import json

import pytest
import torch
from torch import nn

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.inventory import faults, take_inventory

from .silent import nearly_silent


def backbone_of(tiny_backbone, *layers: nn.Module) -> Backbone:
    return Backbone(nn.Sequential(*layers), tiny_backbone.card)


def test_the_inventory_counts_by_hand(tiny_backbone):
    norms = nn.BatchNorm2d(4, eps=1e-3, momentum=0.2), nn.BatchNorm2d(4, affine=False)
    norms[0].running_var.fill_(2)
    pooled = nn.Conv2d(3, 4, 3), *norms, nn.AdaptiveAvgPool2d(2), nn.Flatten()
    inventory = take_inventory(backbone_of(tiny_backbone, *pooled))
    assert inventory.pop("batch_difference") < 1e-5
    assert inventory.pop("noise_spread") > 0.01
    assert inventory == {
        "silent_channels": 0.0,
        "not_finite": [],
        "architecture": "iresnet_tiny",
        "embedding_size": 16,
        "parameters": 3 * 4 * 9 + 4 + 2 * 4,
        "measured_embedding_size": 16,
        "flops": 2 * 30 * 30 * 4 * 3 * 9,
        "deterministic": True,
        "independent_of_batch": True,
        "bn_layers": [
            {"name": "1", "channels": 4, "eps": 1e-3, "momentum": 0.2, "affine": True, "statistics_trained": True},
            {"name": "2", "channels": 4, "eps": 1e-5, "momentum": 0.1, "affine": False, "statistics_trained": False},
        ],
        "bn_eps_assumed": True,
        "eps_cosine": pytest.approx(1, abs=1e-3),
        "near_silent_channels": 0,
        "warnings": ["1 BN layer has the statistics of a fresh network (2), which tell nothing about training images."],
    }
    assert json.loads(json.dumps(inventory)) == inventory


def test_an_eps_that_is_assumed_and_matters_is_told_with_how_far_embeddings_move(tiny_backbone):
    silent = nearly_silent(tiny_backbone.net, 1e-5)
    inventory = take_inventory(Backbone(silent, tiny_backbone.card))
    near = sum(int((layer.running_var <= 1e-4).sum()) for layer in bn_layers(silent).values())
    channels = sum(layer.num_features for layer in bn_layers(silent).values())
    assert inventory["near_silent_channels"] == near > channels / 3
    faces = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    own = tiny_backbone(faces)
    for layer in bn_layers(silent).values():
        layer.eps = 2e-5
    moved = Backbone(silent, tiny_backbone.card).eval()(faces)
    cosine = float(torch.nn.functional.cosine_similarity(own, moved).min().detach())
    assert inventory["eps_cosine"] == pytest.approx(cosine, abs=1e-4)
    assert cosine < 0.99
    (warning,) = inventory["warnings"]
    assert f"1e-05 is assumed, and here it matters: {near} of {channels} channels" in warning
    assert f"a cosine of {cosine:.3f}" in warning
    assert "Set target.load.bn_eps" in warning
    for known in ({"bn_eps": 2e-5}, {"training": {"losses": []}}, {"architecture": "a.b:C"}):
        told = take_inventory(Backbone(silent, tiny_backbone.card.model_copy(update=known)))
        assert not told["bn_eps_assumed"]
        assert told["warnings"] == []


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
    inventory = take_inventory(backbone_of(tiny_backbone, nn.Conv2d(3, 2, 1, bias=False)))
    assert inventory["bn_layers"] == []
    assert inventory["parameters"] == 6
    assert any("no BN layer" in warning for warning in inventory["warnings"])


def test_a_healthy_backbone_has_no_warning(tiny_backbone):
    inventory = take_inventory(tiny_backbone)
    assert inventory["warnings"] == []
    assert inventory["measured_embedding_size"] == 16
    assert inventory["deterministic"]
    assert inventory["independent_of_batch"]


@pytest.mark.parametrize("batch", [1, 7])
def test_flops_are_those_of_one_image(tiny_backbone, batch):
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        tiny_backbone(torch.rand(batch, 3, 32, 32))
    assert take_inventory(tiny_backbone)["flops"] * batch == counter.get_total_flops()


def test_an_embedding_size_that_the_card_misstates_is_told(tiny_backbone):
    inventory = take_inventory(backbone_of(tiny_backbone, nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    assert inventory["measured_embedding_size"] == 3
    assert "The card states 16 numbers an embedding, the network gives 3." in inventory["warnings"]


class Drawing(nn.Module):
    def forward(self, x):
        return x + torch.rand_like(x)


class Mixing(nn.Module):
    def forward(self, x):
        return x - x.mean(0)


def test_a_network_that_draws_is_not_deterministic(tiny_backbone):
    inventory = take_inventory(backbone_of(tiny_backbone, Drawing()))
    assert not inventory["deterministic"]
    assert any("draws at random" in warning for warning in inventory["warnings"])


def test_a_network_that_mixes_a_batch_is_not_independent_of_it(tiny_backbone):
    inventory = take_inventory(backbone_of(tiny_backbone, Mixing()))
    assert inventory["deterministic"]
    assert not inventory["independent_of_batch"]
    assert any("in a batch than alone" in warning for warning in inventory["warnings"])


class Scaling(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x.flatten(1) * self.factor


def test_large_embeddings_are_compared_and_infinite_ones_told(tiny_backbone):
    large = take_inventory(backbone_of(tiny_backbone, Scaling(1e30)))
    assert large["independent_of_batch"]
    infinite = take_inventory(backbone_of(tiny_backbone, Scaling(float("inf"))))
    assert infinite["batch_difference"] is None
    assert not infinite["independent_of_batch"]
    assert any("NaN or infinite" in warning for warning in infinite["warnings"])
    assert json.loads(json.dumps(infinite)) == infinite


def test_taking_an_inventory_changes_nothing(tiny_backbone):
    before, random = tiny_backbone.weights_hash(), torch.get_rng_state()
    take_inventory(tiny_backbone.train())
    assert tiny_backbone.weights_hash() == before
    assert tiny_backbone.training
    assert torch.equal(torch.get_rng_state(), random)
    assert all(p.grad is None for p in tiny_backbone.parameters())


def test_a_collapsed_network_is_told(tiny_backbone):
    with torch.no_grad():
        tiny_backbone.net.features.running_var.fill_(1e12)  # what varies is divided away, the shift stays
        tiny_backbone.net.features.bias.fill_(1.0)
    inventory = take_inventory(tiny_backbone)
    assert inventory["noise_spread"] < 1e-4
    told = "Embeddings of different images are the same: the network has collapsed, and tells no face from another."
    assert told in inventory["warnings"]


def test_dead_channels_are_counted_and_told_where_they_are_many(tiny_backbone):
    assert take_inventory(tiny_backbone)["silent_channels"] == 0
    layers = [layer for layer in tiny_backbone.net.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    channels = sum(layer.num_features for layer in layers)
    with torch.no_grad():
        for layer in layers[:-1]:
            layer.running_var.zero_()
    dead = 1 - layers[-1].num_features / channels
    inventory = take_inventory(tiny_backbone)
    assert inventory["silent_channels"] == pytest.approx(dead)
    assert any(f"{dead:.0%} of the BN channels are dead" in warning for warning in inventory["warnings"])
    without = backbone_of(tiny_backbone, nn.Flatten(), nn.Linear(3 * 32 * 32, 16))
    assert take_inventory(without)["silent_channels"] is None


def test_weights_that_are_not_finite_are_named(tiny_backbone):
    with torch.no_grad():
        tiny_backbone.net.conv1.weight[0, 0, 0, 0] = torch.nan
    inventory = take_inventory(tiny_backbone)
    assert inventory["not_finite"] == ["conv1.weight"]
    assert any("hold NaN or infinity (conv1.weight): the file is damaged" in told for told in inventory["warnings"])


def test_faults_are_those_that_keep_a_backbone_from_telling_faces_apart(tiny_backbone):
    assert faults(tiny_backbone) == []
    without = backbone_of(tiny_backbone, nn.Flatten(), nn.Linear(3 * 32 * 32, 16))
    assert faults(without) == []  # no BN layer is no fault
    with torch.no_grad():
        without.net[1].weight.zero_()
    (told,) = faults(without)
    assert told.startswith("Embeddings of different images are the same")
