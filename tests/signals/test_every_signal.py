"""What every signal of single images must keep, whichever file of the room it is."""

from collections.abc import Callable
from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.signals import Signal, registry
from faceleak.signals.observation import Need, observe
from faceleak.work.compute import seeded

NAMES = [name for name in registry.names() if isinstance(registry.get(name), Signal)]
READERS = [registry.get_reader(name) for name in NAMES]
OF_WEIGHTS, OF_EMBEDDINGS, OF_NOTHING = (
    [signal.name for signal in READERS if signal.access == access] for access in ("weights", "embeddings", "nothing")
)
OF_BACKBONE = OF_WEIGHTS + OF_EMBEDDINGS


@pytest.fixture
def faces() -> Tensor:
    """Five faces of noise, each of a brightness of its own."""
    generator = torch.Generator().manual_seed(0)
    return torch.rand(5, 3, 32, 32, generator=generator) * torch.linspace(0.3, 1, 5).view(5, 1, 1, 1)


def hooks_of(net: nn.Module) -> list:
    return [hook for module in net.modules() for hook in (*module._forward_hooks, *module._forward_pre_hooks)]


@pytest.mark.parametrize("name", NAMES)
def test_together_is_one_by_one_and_the_target_stays_as_it_came(name, tiny_backbone, faces):
    signal = registry.get_reader(name)
    tiny_backbone.train()  # the mode in which a careless forward pass would move the running statistics
    tiny_backbone.net.layer3.eval()
    before = deepcopy(tiny_backbone.state_dict())
    modes = {part: module.training for part, module in tiny_backbone.named_modules()}
    together = signal.read(tiny_backbone, faces)
    torch.testing.assert_close(
        together, torch.cat([signal.read(tiny_backbone, face[None]) for face in faces]), rtol=1e-4, atol=1e-4
    )
    torch.testing.assert_close(signal.read(tiny_backbone, faces.flip(0)), together.flip(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert {part: module.training for part, module in tiny_backbone.named_modules()} == modes
    assert hooks_of(tiny_backbone) == []


@pytest.mark.parametrize("name", NAMES)
def test_the_same_faces_always_get_the_same_rows(name, tiny_backbone, faces):
    signal = registry.get_reader(name)
    assert torch.equal(signal.read(tiny_backbone, faces), signal.read(tiny_backbone, faces))


@pytest.mark.parametrize("name", NAMES)
def test_faces_that_differ_get_rows_that_differ(name, tiny_backbone, faces):
    rows = registry.get_reader(name).read(tiny_backbone, faces)
    assert (torch.cdist(rows, rows) + torch.eye(5) > 1e-3).all()


def test_all_signals_off_one_pass_are_each_read_alone(tiny_backbone, faces):
    passes = []
    handle = tiny_backbone.register_forward_pre_hook(lambda *_: passes.append(1))
    seen = observe(tiny_backbone, faces, frozenset[Need]().union(*(signal.needs for signal in READERS)))
    together = {signal.name: signal.compute(seen) for signal in READERS}
    handle.remove()
    assert len(passes) == 1 + sum(signal.extra_passes for signal in READERS)
    for signal in READERS:
        torch.testing.assert_close(together[signal.name], signal.read(tiny_backbone, faces), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_every_column_has_a_name_of_its_own(name, tiny_backbone, faces):
    signal = registry.get_reader(name)
    rows = signal.read(tiny_backbone, faces)
    assert rows.dtype == torch.float32
    columns = signal.column_names(tiny_backbone.net) if signal.column_names else [str(i) for i in range(rows.shape[1])]
    assert rows.shape == (5, len(columns))
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize("name", OF_BACKBONE)
def test_gradients_reach_every_face(name, tiny_backbone, faces):
    faces.requires_grad_()
    rows = registry.get_reader(name).read(tiny_backbone, faces)
    (gradient,) = torch.autograd.grad(rows.sum(), faces)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).norm(dim=1) > 1e-6).all()


@pytest.mark.parametrize("name", OF_BACKBONE)
def test_gradients_agree_with_finite_differences(name, tiny_backbone, faces):
    signal, step = registry.get_reader(name), 1e-3
    weights = torch.rand(signal.read(tiny_backbone, faces).shape, generator=torch.Generator().manual_seed(1))
    faces.requires_grad_()
    (gradient,) = torch.autograd.grad((signal.read(tiny_backbone, faces) * weights).sum(), faces)
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ends = [(signal.read(tiny_backbone, faces + move * direction) * weights).sum() for move in (step, -step)]
    assert float(ends[0] - ends[1]) / (2 * step) == pytest.approx(float(gradient.norm()), rel=0.02)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [32, 45])
def test_numbers_are_finite_on_the_strangest_images(name, size, tiny_backbone):
    faces = torch.stack([torch.zeros(3, size, size), torch.ones(3, size, size), torch.rand(3, size, size).round()])
    assert registry.get_reader(name).read(tiny_backbone, faces).isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_numbers_are_finite_where_channels_are_dead(name, tiny_backbone, faces):
    tiny_backbone.net.conv1.weight.data.zero_()
    tiny_backbone.net.bn1.running_mean.zero_()
    tiny_backbone.net.bn1.running_var.zero_()
    assert registry.get_reader(name).read(tiny_backbone, faces).isfinite().all()


def backbone_with(image_size: int, color_order: str) -> Backbone:
    preprocessing = Preprocessing(image_size=image_size, color_order=color_order, mean=(0.4,) * 3, std=(0.3,) * 3)
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=8, preprocessing=preprocessing)
    with seeded(0):
        return Backbone(build(card), card).eval()


@pytest.mark.parametrize("name", [name for name in OF_BACKBONE if not registry.get_reader(name).extra_passes])
@pytest.mark.parametrize("size", [32, 50])
def test_the_backbones_own_preprocessing_comes_first(name, size, faces):
    signal = registry.get_reader(name)
    backbone = backbone_with(size, "BGR")
    rows = signal.read(backbone, faces)
    torch.testing.assert_close(rows, signal.read(backbone.net, backbone.preprocess(faces)))
    assert not torch.allclose(rows, signal.read(backbone_with(size, "RGB"), faces))


class Unreadable(nn.Module):
    """A backbone that nobody may look at."""

    def forward(self, *_: Tensor) -> Tensor:
        raise AssertionError("the backbone was used")


@pytest.mark.parametrize("name", OF_NOTHING)
def test_a_signal_without_access_never_looks_at_the_backbone(name, tiny_backbone, faces):
    signal = registry.get_reader(name)
    assert torch.equal(signal.read(Unreadable(), faces), signal.read(tiny_backbone, faces))
    assert signal.column_names(Unreadable()) == signal.column_names(tiny_backbone)


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize(
    "call", [lambda signal, net: signal.read(net, torch.zeros(1, 3, 8, 8)), lambda s, n: s.column_names(n)]
)
def test_a_backbone_without_batch_norm_is_an_error(name, call: Callable):
    with pytest.raises(NoBatchNormError, match="choose others"):
        call(registry.get_reader(name), nn.Conv2d(3, 2, 1))


@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_a_signal_of_embeddings_asks_only_for_embeddings(name, faces):
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 4))  # no batch norm to look at
    assert registry.get_reader(name).read(net, faces).isfinite().all()


@pytest.mark.parametrize("name", OF_BACKBONE)
def test_an_error_on_the_way_leaves_neither_hooks_nor_another_mode(name, tiny_backbone):
    tiny_backbone.train()
    with pytest.raises(RuntimeError):
        registry.get_reader(name).read(tiny_backbone, torch.zeros(2, 4, 32, 32))
    assert hooks_of(tiny_backbone) == []
    assert all(module.training for module in tiny_backbone.modules())
