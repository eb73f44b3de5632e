import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.folding import FoldingError, fold
from faceleak.backbones.loading import load_backbone, save_backbone
from faceleak.backbones.normalization import ScaleAndShift

from .noticeable import noticeable

SMALL = {"inception_resnet_v1": 80}
ONE_OF_EACH_KIND = ["ir_50", "ir_se_50", "mobilefacenet", "mobilefacenet_bubbliiiing", "mobilefacenet_foamliu", *SMALL]


@pytest.fixture(autouse=True)
def own_networks(monkeypatch):
    """Let `own_networks` be found, as a package that the user has installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("own_networks", None)


def backbone_of(architecture: str, size: int | tuple[int, int] | None = None, **changes) -> Backbone:
    """An untrained backbone with statistics, scales and shifts that are not to be overlooked in any BN layer."""
    preprocessing = Preprocessing(image_size=size or SMALL.get(architecture, 32))
    card = BackboneCard(architecture=architecture, embedding_size=8, preprocessing=preprocessing, **changes)
    return noticeable(card)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float(((found - expected).norm(dim=1) / expected.norm(dim=1)).max())


@pytest.mark.parametrize(
    "architecture",
    ["ir_50", *(pytest.param(name, marks=pytest.mark.slow) for name in ONE_OF_EACH_KIND[1:])],
)
def test_every_kind_of_network_can_be_folded_saved_and_loaded(architecture, tmp_path):
    backbone = backbone_of(architecture)
    faces = torch.rand(3, 3, *backbone.canvas.shape)
    with torch.no_grad():
        expected = backbone(faces)
        folded = fold(backbone)
        assert difference(folded(faces), expected) < 1e-4
        with pytest.raises(NoBatchNormError):
            bn_layers(folded)
        save_backbone(folded, tmp_path)
        assert torch.equal(load_backbone(tmp_path)(faces), folded(faces))
        assert torch.equal(backbone(faces), expected)


@pytest.mark.parametrize("architecture", ONE_OF_EACH_KIND)
def test_every_kind_of_network_takes_group_normalization_under_the_same_names(architecture):
    backbone = backbone_of(architecture)
    group = backbone_of(architecture, normalization="group")
    with pytest.raises(NoBatchNormError):
        bn_layers(group)
    names = set(group.net.state_dict())
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert names == {name for name in backbone.net.state_dict() if not name.endswith(statistics)}
    faces = torch.rand(2, 3, *group.canvas.shape)
    assert group(faces).shape == (2, 8)


def test_only_bn_that_follows_no_convolution_stays_as_scale_and_shift():
    net = fold(backbone_of("ir_50")).net
    kept = [name for name, module in net.named_modules() if isinstance(module, ScaleAndShift)]
    assert kept == [*(f"body.{block}.res_layer.0" for block in range(24)), "output_layer.0"]
    assert not [m for m in fold(backbone_of("mobilefacenet_foamliu")).modules() if isinstance(m, ScaleAndShift)]


def test_a_network_of_the_users_own_is_folded_too(tmp_path):
    backbone = backbone_of("own_networks:Own", arguments={"size": 8})
    faces = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        folded = fold(backbone)
        assert difference(folded(faces), backbone(faces)) < 1e-5
        save_backbone(folded, tmp_path)
        assert torch.equal(load_backbone(tmp_path)(faces), folded(faces))


def test_what_is_changed_in_place_before_bn_is_not_taken_for_a_convolutions_output():
    backbone, faces = backbone_of("own_networks:Changing"), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        folded = fold(backbone)
        assert isinstance(folded.net.norm, ScaleAndShift)
        assert difference(folded(faces), backbone(faces)) < 1e-5


def test_a_network_that_folding_would_change_is_refused():
    with pytest.raises(FoldingError, match=r"own_networks:Shared gives other embeddings.*used in several places"):
        fold(backbone_of("own_networks:Shared"))


@pytest.mark.parametrize("architecture", ONE_OF_EACH_KIND)
def test_bn_of_one_position_does_not_pass_for_one_with_positions(architecture):
    backbone = backbone_of(architecture)
    sizes = {}

    def note(layer, inputs):
        sizes[layer] = inputs[0].shape

    for layer in bn_layers(backbone.net).values():
        layer.register_forward_pre_hook(note)
    with torch.no_grad():
        backbone(torch.rand(2, 3, *backbone.canvas.shape))
    assert len(sizes) == len(bn_layers(backbone.net))
    if architecture.startswith("mobilefacenet"):
        assert all(shape[2] > 1 for layer, shape in sizes.items() if isinstance(layer, nn.BatchNorm2d))
