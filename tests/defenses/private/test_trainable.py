import pytest
from torch import nn

from faceleak.defenses.private.errors import PrivateTrainingError
from faceleak.defenses.private.trainable import choose_trainable


def test_a_net_without_the_named_parameters_is_an_error():
    with pytest.raises(PrivateTrainingError, match="of the kind `last_layer`"):
        choose_trainable(nn.Conv2d(3, 2, 1), "last_layer")


def test_norms_that_are_no_bn_count_as_norms():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(4, 2))
    choose_trainable(net, "scale_and_bias")
    assert [name for name, parameter in net.named_parameters() if parameter.requires_grad] == ["1.weight", "1.bias"]
