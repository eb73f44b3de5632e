import pytest
import torch

from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.defenses import bn_reestimation
from faceleak.defenses.bn_shrinkage import Settings, defend


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_statistics_go_their_share_of_the_way_to_public_ones(share, owner):
    public = bn_reestimation.defend(owner, bn_reestimation.Settings(), 0)
    layers = [bn_layers(backbone.net).values() for backbone in (owner.backbone, public)]
    for moved, own, other in zip(bn_layers(defend(owner, Settings(share=share), 0).net).values(), *layers, strict=True):
        for result, start, end in zip(*map(statistics, (moved, own, other)), strict=True):
            torch.testing.assert_close(result, (1 - share) * start + share * end)
            assert share < 1 or torch.equal(result, end)


def test_weights_stay(owner):
    before = dict(owner.backbone.named_parameters())
    for name, weights in defend(owner, Settings(share=1), 0).named_parameters():
        assert torch.equal(weights, before[name])
