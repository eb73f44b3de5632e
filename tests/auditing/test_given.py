"""Backbones as users hold them: networks in memory, folders of faceleak, files of weights."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import faceleak
from faceleak.auditing.given import GivenError, open_backbone
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.checkpoint import BackboneError
from faceleak.backbones.factories import FactoryError
from tests.auditing.conftest import World
from tests.backbones.own_networks import Map, Own

FED = {"image_size": 32, "color_order": "BGR", "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}


def test_a_network_in_memory_is_fed_as_it_is_told_and_left_as_it_is() -> None:
    module = Own(size=5).train()
    before = copy.deepcopy(module.state_dict())
    backbone = open_backbone(module, FED)
    faces = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    means, scales = torch.tensor([0.5, 0.4, 0.3]).view(1, 3, 1, 1), torch.tensor([0.2, 0.3, 0.4]).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = copy.deepcopy(module).eval()((faces.flip(1) - means) / scales)
        torch.testing.assert_close(backbone(faces), expected)
    assert backbone.card.embedding_size == 5
    assert module.training
    torch.testing.assert_close(module.state_dict(), before, rtol=0, atol=0)
    assert not backbone.training


def test_its_hash_follows_weights_and_preprocessing() -> None:
    torch.manual_seed(0)
    module = Own()
    first = open_backbone(module, FED).network_hash()
    assert open_backbone(module, FED).network_hash() == first
    assert open_backbone(module, FED | {"color_order": "RGB"}).network_hash() != first
    with torch.no_grad():
        module.last.bias += 1
    assert open_backbone(module, FED).network_hash() != first


def test_a_network_of_torch_alone_has_a_hash() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert open_backbone(net, FED).network_hash()


def test_a_network_that_gives_something_else_is_refused() -> None:
    with pytest.raises(FactoryError, match=r"gives \(2, 8, 1, 1\) for two images"):
        open_backbone(Map(), FED)


@pytest.mark.parametrize(
    ("preprocessing", "message"),
    [
        (None, "A torch.nn.Module does not say how it is fed: give `preprocessing`"),
        ("arcfase", "There is no preprocessing 'arcfase'. Did you mean 'arcface'"),
        ({"image_sise": 112}, "image_sise: unknown key"),
    ],
)
def test_how_it_is_fed_has_to_be_said(preprocessing: object, message: str) -> None:
    with pytest.raises(faceleak.FaceleakError, match=message):
        open_backbone(Own(), preprocessing)


def test_what_is_not_finite_is_named(world: World, tmp_path: Path) -> None:
    module = Own()
    with torch.no_grad():
        module.last.bias[2] = torch.inf
    module.norm.running_var[0] = torch.nan
    with pytest.raises(BackboneError, match=r"own_networks:Own: NaN .* in 2 tensors \(norm\.running_var; last\.bias\)"):
        open_backbone(module, FED)
    weights = load_file(world.weights["path"])
    weights["bn1.running_mean"][0] = torch.nan
    save_file(weights, tmp_path / "nan.safetensors")
    with pytest.raises(BackboneError, match=r"nan\.safetensors: NaN or infinite numbers are in 1 tensor \(bn1\.run"):
        faceleak.load_backbone(**world.weights | {"path": tmp_path / "nan.safetensors"})


def test_a_folder_and_a_file_of_weights_are_the_same_backbone(world: World) -> None:
    folder, file = faceleak.load_backbone(world.target), faceleak.load_backbone(**world.weights)
    faces = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(folder(faces), file(faces), rtol=0, atol=0)
    assert isinstance(open_backbone(folder, None), Backbone)


def test_what_is_not_described_well_enough_is_told(world: World, tmp_path: Path) -> None:
    weights = world.weights["path"]
    with pytest.raises(GivenError, match=r"is not described well enough:\n  embedding_size: missing"):
        faceleak.load_backbone(weights, architecture="iresnet_tiny")
    with pytest.raises(GivenError, match=r"is a folder, whose backbone\.json describes it: leave architecture out"):
        faceleak.load_backbone(world.target, architecture="iresnet_tiny")
    with pytest.raises(GivenError, match="There is no backbone at"):
        faceleak.load_backbone(tmp_path / "none.pth")
