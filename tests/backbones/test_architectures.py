import pytest

from faceleak.backbones.architectures import IRESNETS, UnknownArchitectureError, build, check_architecture
from faceleak.backbones.card import BackboneCard
from faceleak.errors import FaceleakError


def test_a_known_name_passes():
    assert [check_architecture(name) for name in IRESNETS] == list(IRESNETS)


@pytest.mark.parametrize(("asked", "nearest"), [("iresnet_tini", "iresnet_tiny"), ("resnet50", "iresnet50")])
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(asked, nearest):
    with pytest.raises(UnknownArchitectureError, match=f"no architecture '{asked}'. Did you mean '{nearest}'") as error:
        check_architecture(asked)
    assert all(name in str(error.value) for name in IRESNETS)
    assert isinstance(error.value, FaceleakError)


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownArchitectureError) as error:
        check_architecture("???")
    assert "Did you mean" not in str(error.value)


def test_a_card_with_an_unknown_name_cannot_be_built():
    with pytest.raises(UnknownArchitectureError, match="no architecture 'vgg'"):
        build(BackboneCard(architecture="vgg", embedding_size=8))
