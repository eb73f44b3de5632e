from math import prod

import pytest
import torch

from faceleak.backbones.architectures import (
    ARCHITECTURES,
    UnknownArchitectureError,
    build,
    check_architecture,
    source_module,
)
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.factories import FactoryError
from faceleak.backbones.inception_resnet import ImageSizeError
from faceleak.common.errors import FaceleakError


def test_a_known_name_passes():
    assert [check_architecture(name) for name in ARCHITECTURES] == list(ARCHITECTURES)


@pytest.mark.parametrize(("asked", "nearest"), [("iresnet_tini", "iresnet_tiny"), ("resnet50", "iresnet50")])
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(asked, nearest):
    with pytest.raises(UnknownArchitectureError, match=f"no architecture '{asked}'. Did you mean '{nearest}'") as error:
        check_architecture(asked)
    assert all(name in str(error.value) for name in ARCHITECTURES)
    assert isinstance(error.value, FaceleakError)


def test_a_name_like_no_other_gets_no_guess():
    with pytest.raises(UnknownArchitectureError) as error:
        check_architecture("???")
    assert "Did you mean" not in str(error.value)


def test_a_card_with_an_unknown_name_cannot_be_built():
    with pytest.raises(UnknownArchitectureError, match="no architecture 'vgg'"):
        build(BackboneCard(architecture="vgg", embedding_size=8))


def names_and_shapes(architecture: str, embedding_size: int = 512, image_size=112) -> dict[str, tuple[int, ...]]:
    card = BackboneCard(
        architecture=architecture,
        embedding_size=embedding_size,
        preprocessing=Preprocessing(image_size=image_size),
    )
    with torch.device("meta"):  # names and shapes alone
        return {name: tuple(tensor.shape) for name, tensor in build(card).state_dict().items()}


# tensors, numbers in them that are trained or could be, and what stands at places where repositories differ
@pytest.mark.parametrize(
    ("architecture", "embedding_size", "tensors", "parameters", "some"),
    [
        (
            "iresnet50",
            512,
            475,
            43_590_848,
            {
                "prelu.weight": (64,),
                "layer3.13.bn3.running_var": (256,),
                "layer1.0.downsample.0.weight": (64, 64, 1, 1),
                "fc.weight": (512, 25088),
                "features.running_mean": (512,),
            },
        ),
        ("iresnet100", 512, 925, 65_156_160, {"layer3.29.prelu.weight": (256,)}),
        (
            "ir_50",
            512,
            349,
            43_574_976,
            {
                "input_layer.2.weight": (64,),
                "body.3.shortcut_layer.0.weight": (128, 64, 1, 1),
                "body.23.res_layer.4.running_mean": (512,),
                "output_layer.3.weight": (512, 25088),
                "output_layer.4.bias": (512,),
            },
        ),
        ("ir_se_50", 512, 397, 43_797_696, {"body.0.res_layer.5.fc1.weight": (4, 64, 1, 1)}),
        (
            "mobilefacenet",
            512,
            333,
            1_200_512,
            {
                "conv_4.model.5.conv_dw.prelu.weight": (256,),
                "conv_6_sep.bn.weight": (512,),
                "conv_6_dw.conv.weight": (512, 1, 7, 7),
                "linear.weight": (512, 512),
                "bn.running_var": (512,),
            },
        ),
        (
            "mobilefacenet_bubbliiiing",
            128,
            333,
            1_003_136,
            {"GDC_dw.weight": (512, 1, 7, 7), "features.weight": (128, 512, 1, 1), "last_bn.bias": (128,)},
        ),
        (
            "mobilefacenet_foamliu",
            128,
            307,
            999_936,
            {
                "gdconv.depthwise.weight": (512, 1, 7, 7),
                "features.12.conv.1.1.running_var": (512,),
                "conv3.bias": (128,),
            },
        ),
        (
            "inception_resnet_v1",
            512,
            714,
            23_482_624,
            {
                "conv2d_1a.conv.weight": (32, 3, 3, 3),
                "repeat_1.4.branch2.2.bn.running_mean": (32,),
                "repeat_2.9.branch1.1.conv.weight": (128, 128, 1, 7),
                "mixed_7a.branch2.2.conv.weight": (256, 256, 3, 3),
                "block8.conv2d.bias": (1792,),
                "last_linear.weight": (512, 1792),
                "last_bn.weight": (512,),
            },
        ),
    ],
)
def test_names_shapes_and_sizes_are_those_of_the_repositories(architecture, embedding_size, tensors, parameters, some):
    found = names_and_shapes(architecture, embedding_size)
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    assert len(found) == tensors
    assert sum(prod(shape) for name, shape in found.items() if not name.endswith(buffers)) == parameters
    assert {name: found.get(name) for name in some} == some


@pytest.mark.parametrize("architecture", ["iresnet18", "ir_50", "mobilefacenet", "mobilefacenet_foamliu"])
def test_what_follows_the_last_map_goes_with_the_size_of_the_images(architecture):
    shapes = {size: names_and_shapes(architecture, image_size=size) for size in (112, (112, 96))}
    different = {name for name, shape in shapes[112].items() if shapes[112, 96][name] != shape}
    assert (
        different
        == {
            "iresnet18": {"fc.weight"},
            "ir_50": {"output_layer.3.weight"},
            "mobilefacenet": {"conv_6_dw.conv.weight"},
            "mobilefacenet_foamliu": {"gdconv.depthwise.weight"},
        }[architecture]
    )


def test_images_too_small_for_the_network_are_refused():
    with pytest.raises(ImageSizeError, match="75 pixels a side at least, found 74"):
        names_and_shapes("inception_resnet_v1", image_size=74)
    card = BackboneCard(
        architecture="inception_resnet_v1", embedding_size=8, preprocessing=Preprocessing(image_size=75)
    )
    assert build(card).eval()(torch.rand(1, 3, 75, 75)).shape == (1, 8)


def test_a_class_of_the_users_own_is_an_architecture_and_needs_its_module():
    assert check_architecture("torch.nn:Linear") == "torch.nn:Linear"
    assert source_module("torch.nn:Linear") == "torch.nn"
    with pytest.raises(FactoryError, match="cannot be found"):
        check_architecture("nowhere_at_all:Net")


def test_the_module_of_every_architecture_is_known():
    assert all(source_module(name).startswith("faceleak.backbones.") for name in ARCHITECTURES)
