import pytest
import torch
from torch import nn

from faceleak.defenses.pruning import Settings, defend


def test_the_smallest_half_becomes_0_and_the_rest_stays(owner_of):
    net = nn.Sequential(nn.Conv2d(3, 1, (1, 2)))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([0.1, -5.0, 2.0, -0.3, 0.2, 4.0]).view(1, 3, 1, 2))
        net[0].bias.fill_(0.01)
    pruned = defend(owner_of(net), Settings(share=0.5), 0).net[0]
    torch.testing.assert_close(pruned.weight.flatten(), torch.tensor([0.0, -5.0, 2.0, 0.0, 0.0, 4.0]))
    assert pruned.bias.tolist() == pytest.approx([0.01])


@pytest.mark.parametrize("share", [0.3, 0.9])
def test_every_convolution_loses_its_share_and_nothing_else_does(share, owner):
    before, pruned = owner.backbone.net, defend(owner, Settings(share=share), 0).net
    for name, module in pruned.named_modules():
        if isinstance(module, nn.Conv2d):
            assert float((module.weight == 0).double().mean()) == pytest.approx(share, abs=1 / module.weight.numel())
            assert isinstance(module.weight, nn.Parameter)
        elif not list(module.children()):
            torch.testing.assert_close(module.state_dict(), before.get_submodule(name).state_dict(), rtol=0, atol=0)
    assert set(pruned.state_dict()) == set(before.state_dict())
