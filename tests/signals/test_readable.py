import torch

from faceleak.backbones.folding import fold
from faceleak.backbones.head import Head
from faceleak.signals import registry
from faceleak.signals.readable import readable

NEED_NO_BN = {
    "anchor_similarity",
    "augmentation_similarity",
    "embedding",
    "embedding_norm",
    "part_crop",
    "pixel_statistics",
    "reference_similarity",
}


def test_a_folded_backbone_gives_what_needs_neither_bn_nor_head(tiny_backbone):
    assert set(readable(registry.names(), fold(tiny_backbone))) == NEED_NO_BN


def test_bn_layers_give_all_but_the_loss_and_a_head_gives_that_too(tiny_backbone):
    assert readable(registry.names(), tiny_backbone) == [name for name in registry.names() if name != "head_loss"]
    tiny_backbone.head = Head(torch.eye(16), tuple(map(str, range(16))), 64.0)
    assert readable(registry.names(), tiny_backbone) == registry.names()
    assert readable(["head_loss", "bn_distance"], tiny_backbone) == ["head_loss", "bn_distance"]
