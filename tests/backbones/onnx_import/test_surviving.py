"""How much of BN a file still holds, in numbers and words."""

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.onnx_import.surviving import SurvivingBatchNorms, surviving_batch_norms

from .conftest import KEPT


def test_an_export_that_keeps_bn_is_complete(tiny_backbone, export):
    found = surviving_batch_norms(export(tiny_backbone.net, **KEPT))
    assert found == SurvivingBatchNorms(batch_norms=19, convolutions=13, probably_folded=0)
    assert "19 BN layers are complete" in found.meaning
    assert "Export again" not in found.meaning


def test_the_default_export_folds_as_many_as_are_missing(tiny_backbone, export):
    found = surviving_batch_norms(export(tiny_backbone.net))
    assert found == SurvivingBatchNorms(batch_norms=6, convolutions=13, probably_folded=13)
    assert "6 BN layers are there, and about 13 were probably folded" in found.meaning
    assert "TrainingMode.PRESERVE" in found.meaning


def test_a_network_whose_bn_is_all_folded(export):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval()
    found = surviving_batch_norms(export(net))
    assert found == SurvivingBatchNorms(batch_norms=0, convolutions=2, probably_folded=1)
    assert "BN signals are impossible, embedding signals still work" in found.meaning
    assert "Export again" in found.meaning


def test_a_network_without_any_bn(export):
    found = surviving_batch_norms(export(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()).eval()))
    assert found == SurvivingBatchNorms(batch_norms=0, convolutions=1, probably_folded=0)
    assert "no sign of one" in found.meaning


def test_convolutions_fused_by_a_runtime_count_as_folded(graph):
    node = ("FusedConv", ["images", "k", "b"], ["answer"], {"domain": "com.microsoft"})
    constants = {"k": np.zeros((4, 3, 3, 3), np.float32), "b": np.zeros(4, np.float32)}
    assert surviving_batch_norms(graph([node], constants)) == SurvivingBatchNorms(0, 1, 1)


@pytest.mark.parametrize("follower", [nn.BatchNorm2d(4), nn.Flatten(), nn.AvgPool2d(2)])
def test_a_bias_before_anything_but_an_activation_is_the_networks_own(export, follower):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), follower).eval()
    with torch.no_grad():
        assert surviving_batch_norms(export(net, **KEPT)).probably_folded == 0
