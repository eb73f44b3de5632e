import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.architectures import ARCHITECTURES, build
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.iresnet import IResNet
from faceleak.backbones.normalization import ScaleAndShift

IRESNETS = {name: found.arguments for name, found in ARCHITECTURES.items() if name.startswith("iresnet")}


def net_of(
    architecture: str,
    image_size: int = 112,
    embedding_size: int = 512,
    device: str = "meta",
    normalization: str = "batch",
):
    card = BackboneCard(
        architecture=architecture,
        embedding_size=embedding_size,
        preprocessing=Preprocessing(image_size=image_size),
        normalization=normalization,
    )
    with torch.device(device):
        return build(card)


def bn_names(net) -> list[str]:
    return [name for name, module in net.named_modules() if isinstance(module, _BatchNorm)]


@pytest.mark.parametrize(
    ("architecture", "layers", "parameters"),
    # three BN layers a block, one in each of four shortcuts, three outside of blocks
    [
        ("iresnet18", 3 * 8 + 4 + 3, 24_025_600),
        ("iresnet34", 3 * 16 + 4 + 3, 34_139_328),
        ("iresnet50", 3 * 24 + 4 + 3, 43_590_848),
        ("iresnet100", 3 * 49 + 4 + 3, 65_156_160),
        ("iresnet_demo", 3 * 4 + 4 + 3, None),
    ],
)
def test_depth_and_size_are_those_of_the_published_nets(architecture, layers, parameters):
    net = net_of(architecture)
    assert len(bn_names(net)) == layers
    if parameters:
        assert sum(parameter.numel() for parameter in net.parameters()) == parameters


def test_iresnet18_has_the_names_and_shapes_of_insightfaces_arcface_torch():
    def bn(name: str, channels: int) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}

    expected = {"conv1.weight": (64, 3, 3, 3), **bn("bn1", 64), "prelu.weight": (64,)}
    for stage, (inputs, outputs) in enumerate([(64, 64), (64, 128), (128, 256), (256, 512)], start=1):
        for block, channels in enumerate([inputs, outputs]):
            name = f"layer{stage}.{block}"
            expected |= bn(f"{name}.bn1", channels) | bn(f"{name}.bn2", outputs) | bn(f"{name}.bn3", outputs)
            expected |= {
                f"{name}.conv1.weight": (outputs, channels, 3, 3),
                f"{name}.conv2.weight": (outputs, outputs, 3, 3),
                f"{name}.prelu.weight": (outputs,),
            }
        shortcut = f"layer{stage}.0.downsample"
        expected |= {f"{shortcut}.0.weight": (outputs, inputs, 1, 1), **bn(f"{shortcut}.1", outputs)}
    expected |= bn("bn2", 512) | {"fc.weight": (512, 512 * 7 * 7), "fc.bias": (512,)} | bn("features", 512)
    assert {name: tuple(tensor.shape) for name, tensor in net_of("iresnet18").state_dict().items()} == expected


def test_group_normalization_takes_the_places_and_names_of_batch_norm_without_its_statistics():
    batch, group = (net_of("iresnet50", normalization=normalization) for normalization in ("batch", "group"))
    without = {n: t.shape for n, t in batch.state_dict().items() if n.split(".")[-1] in ("weight", "bias")}
    assert {name: tensor.shape for name, tensor in group.state_dict().items()} == without
    assert bn_names(group) == []
    assert list(group.buffers()) == []


def test_folded_nets_have_no_normalization_and_a_scale_and_shift_only_before_padding():
    net = net_of("iresnet18", normalization="folded")
    modules = dict(net.named_modules())
    kept = {name for name, module in modules.items() if isinstance(module, ScaleAndShift)}
    assert kept == {f"layer{stage}.{block}.bn1" for stage in range(1, 5) for block in range(2)}
    assert not any("Norm" in type(module).__name__ for module in modules.values())
    assert all(module.bias is not None for module in modules.values() if isinstance(module, nn.Conv2d | nn.Linear))
    assert list(net.buffers()) == []


@pytest.mark.parametrize("architecture", IRESNETS)
@pytest.mark.parametrize(("size", "normalization"), [(16, "batch"), (64, "group"), (112, "folded")])
def test_every_architecture_gives_embeddings_of_the_size_asked_for(architecture, size, normalization):
    net = net_of(architecture, image_size=size, embedding_size=24, normalization=normalization)
    assert net(torch.empty(2, 3, size, size, device="meta")).shape == (2, 24)


@pytest.mark.parametrize("size", [17, 31, 50, 100])
def test_sizes_that_halve_to_fractions_are_rounded_up(size):
    net = IResNet((1, 1, 1, 1), (4, 4, 4, 4), image_size=size, embedding_size=8).eval()
    assert net(torch.zeros(1, 3, size, size)).shape == (1, 8)


def plain_iresnet(weights: dict[str, Tensor], depths: tuple[int, ...], images: Tensor) -> Tensor:
    """The same net written down step by step, in evaluation mode."""

    def bn(name: str, x: Tensor) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (weights[f"{name}.{part}"].reshape(-1, *[1] * (x.dim() - 2)) for part in parts)
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    def prelu(name: str, x: Tensor) -> Tensor:
        return torch.where(x > 0, x, x * weights[f"{name}.weight"][:, None, None])

    def block(name: str, stride: int, x: Tensor) -> Tensor:
        y = functional.conv2d(bn(f"{name}.bn1", x), weights[f"{name}.conv1.weight"], padding=1)
        y = prelu(f"{name}.prelu", bn(f"{name}.bn2", y))
        y = bn(f"{name}.bn3", functional.conv2d(y, weights[f"{name}.conv2.weight"], stride=stride, padding=1))
        if f"{name}.downsample.0.weight" in weights:
            x = functional.conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
            x = bn(f"{name}.downsample.1", x)
        return x + y

    x = functional.conv2d(images, weights["conv1.weight"], padding=1)
    x = prelu("prelu", bn("bn1", x))
    for stage, depth in enumerate(depths, start=1):
        for number in range(depth):
            x = block(f"layer{stage}.{number}", 2 if number == 0 else 1, x)
    x = bn("bn2", x).flatten(1) @ weights["fc.weight"].T + weights["fc.bias"]
    return bn("features", x)


def test_the_forward_pass_agrees_with_one_written_down_step_by_step():
    torch.manual_seed(0)
    depths = (2, 1, 3, 1)
    net = IResNet(depths, (4, 6, 8, 10), image_size=40, embedding_size=7).double().eval()
    for tensor in net.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.1)  # no BN keeps the values that would hide it
    images = torch.randn(3, 3, 40, 40, dtype=torch.double)
    torch.testing.assert_close(net(images), plain_iresnet(net.state_dict(), depths, images))


@pytest.mark.parametrize("normalization", ["batch", "group"])
def test_the_scale_of_the_last_layer_is_not_trained(normalization):
    net = net_of("iresnet_tiny", 32, 16, "cpu", normalization)
    assert [name for name, parameter in net.named_parameters() if not parameter.requires_grad] == ["features.weight"]
    assert (net.features.weight == 1).all()


def test_convolutions_start_from_a_normal_distribution():
    torch.manual_seed(0)
    weights = net_of("iresnet_tiny", 32, 16, "cpu").layer4[0].conv2.weight.detach()
    assert abs(float(weights.std()) - 0.1) < 0.003  # 36,864 values: standard error 0.0004
    assert abs(float(weights.mean())) < 0.003


@pytest.mark.parametrize("name", IRESNETS)
def test_no_shortcut_has_so_few_channels_that_its_backward_pass_damages_memory(name):
    # torch 2.13 on AVX-512: a 1×1 convolution with stride 2 over fewer than 16 channels, channels last
    assert min(IRESNETS[name]["widths"]) >= 16
