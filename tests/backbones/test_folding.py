from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.folding import fold
from faceleak.backbones.head import Head
from faceleak.backbones.loading import load_backbone, save_backbone

from .noticeable import noticeable


def backbone_of(architecture: str, size: int, embedding_size: int) -> Backbone:
    """An untrained backbone with statistics, scales and shifts that are not to be overlooked in any BN layer."""
    card = BackboneCard(
        architecture=architecture, embedding_size=embedding_size, preprocessing=Preprocessing(image_size=size)
    )
    return noticeable(card)


@pytest.mark.parametrize(
    ("architecture", "size", "embedding_size"),
    [("iresnet_tiny", 32, 16), ("iresnet_tiny", 50, 9), ("iresnet18", 48, 32)],
)
def test_the_folded_net_gives_the_same_embeddings(architecture, size, embedding_size):
    backbone, faces = backbone_of(architecture, size, embedding_size), torch.rand(4, 3, size, size)
    with torch.no_grad():
        expected, found = backbone(faces), fold(backbone)(faces)
    assert float(((found - expected).norm(dim=1) / expected.norm(dim=1)).max()) < 1e-4


def test_nothing_of_batch_norm_is_left_in_the_copy_and_the_original_stays(tiny_backbone):
    before, modes = deepcopy(tiny_backbone.state_dict()), tiny_backbone.train().training
    folded = fold(tiny_backbone)
    assert not any(isinstance(module, _BatchNorm) for module in folded.modules())
    assert not any("running" in name or "num_batches" in name for name in folded.state_dict())
    assert folded.card == tiny_backbone.card.model_copy(update={"normalization": "folded"})
    assert not folded.training
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert tiny_backbone.training == modes
    folded.net.conv1.weight.data.zero_()
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)


def test_the_head_still_fits_and_what_is_saved_is_loaded_again(tiny_backbone, tmp_path):
    tiny_backbone.head = Head(torch.rand(2, 16), ("a", "b"), 64.0)
    folded = fold(tiny_backbone)
    save_backbone(folded, tmp_path)
    loaded = load_backbone(tmp_path)
    assert loaded.head.identities == ("a", "b")
    faces = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded(faces), folded(faces))


def test_all_parameters_can_be_trained_and_gradients_reach_the_faces(tiny_backbone):
    faces = torch.rand(2, 3, 32, 32, requires_grad=True)
    folded = fold(tiny_backbone)
    folded(faces).square().sum().backward()
    assert all(parameter.grad is not None for parameter in folded.parameters())
    assert float(faces.grad.norm()) > 0


@pytest.mark.parametrize("normalization", ["group", "folded"])
def test_where_there_is_nothing_to_fold_it_is_an_error(normalization, tiny_backbone):
    card = tiny_backbone.card.model_copy(update={"normalization": normalization})
    with pytest.raises(NoBatchNormError, match=f"IResNet is '{normalization}'.*Fold a backbone"):
        fold(Backbone(build(card), card))
    with pytest.raises(NoBatchNormError, match="no batch-normalization layer"):
        fold(Backbone(nn.Conv2d(3, 2, 1), tiny_backbone.card))
