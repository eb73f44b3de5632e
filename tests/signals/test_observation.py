import pytest
import torch
from torch import nn

from faceleak.signals import observation
from faceleak.signals.observation import observe, spatial_mean, spatial_moments


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "needs", [{"embedding"}, {"mean"}, {"square"}, {"map"}, {"embedding", "mean", "square", "map"}]
)
def test_whatever_is_needed_the_backbone_is_passed_once(needs, tiny_backbone, faces):
    passes = []
    handle = tiny_backbone.register_forward_pre_hook(lambda *_: passes.append(1))
    seen = observe(tiny_backbone, faces, needs)
    handle.remove()
    assert len(passes) == 1
    assert torch.equal(seen.embedding, tiny_backbone(faces))


def test_where_nothing_is_needed_the_backbone_is_left_alone(faces):
    seen = observe(nn.Linear(1, 1), faces, ())  # which takes no such faces
    assert seen.faces is faces
    assert seen.embedding.numel() == 0
    assert seen.layers == seen.inputs == {}


def test_only_what_was_asked_for_is_kept(tiny_backbone, faces):
    for needs, kept in (({"mean"}, (True, False, False)), ({"square"}, (True, True, False)), ({"map"}, (False,) * 3)):
        seen = observe(tiny_backbone, faces, needs)
        assert [part.numel() > 0 for part in seen.inputs["net.bn1"]] == list(kept)
    assert [name for name, inputs in seen.inputs.items() if inputs.map.numel()] == ["net.bn2"]
    assert observe(tiny_backbone, faces, {"embedding"}).inputs == {}


def test_means_of_x_and_of_its_square_at_every_layer(iresnet18, smooth_faces, whole_inputs):
    with torch.no_grad():
        seen = observe(iresnet18, smooth_faces, {"mean", "square"})
    assert set(seen.inputs) == set(seen.layers) == {f"net.{name}" for name in whole_inputs}
    for name, (_, whole) in ((f"net.{name}", inputs) for name, inputs in whole_inputs.items()):
        positions = whole.flatten(2) if whole.dim() == 4 else whole[..., None]
        mean, square = positions.mean(2).float(), positions.square().mean(2).float()
        rounding = 1e-6 * float(positions.abs().max())
        torch.testing.assert_close(seen.inputs[name].mean, mean, rtol=1e-5, atol=rounding, msg=name)
        torch.testing.assert_close(seen.inputs[name].square, square, rtol=1e-5, atol=rounding, msg=name)


def test_another_pass_is_in_eval_mode_too_and_leaves_the_mode_as_it_was(tiny_backbone, faces):
    expected = tiny_backbone(faces.flip(-1))
    seen = observe(tiny_backbone.train(), faces, {"embedding"})
    assert torch.equal(seen.embed(faces.flip(-1)), expected)
    assert tiny_backbone.training


@pytest.mark.parametrize("positions", [(), (1,), (6,), (5, 4), (2, 3, 4)])
def test_all_positions_are_averaged_however_many_dimensions_they_have(positions):
    activations = torch.randn(3, 7, *positions)
    expected = activations.double().reshape(3, 7, -1).mean(2).float()
    torch.testing.assert_close(spatial_mean(activations), expected)


def test_the_layout_in_memory_changes_nothing():
    activations = torch.randn(3, 7, 5, 4)
    last = activations.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(spatial_mean(last), spatial_mean(activations))


@pytest.mark.parametrize("positions", [(), (40, 40)])
def test_half_precision_is_averaged_in_float32(positions):
    activations = torch.randn(2, 3, *positions).bfloat16()
    mean = spatial_mean(activations)
    assert mean.dtype == torch.float32
    torch.testing.assert_close(mean, spatial_mean(activations.float()))


@pytest.mark.parametrize("positions", [(), (6,), (5, 4)])
def test_moments_and_their_gradients_are_those_of_the_plain_formula(positions):
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(3, 7, *positions, generator=generator).requires_grad_()
    plain = activations.double().reshape(3, 7, -1)
    mean, square = spatial_moments(activations)
    torch.testing.assert_close(mean, plain.mean(2).float())
    torch.testing.assert_close(square, (plain**2).mean(2).float())
    weights = torch.randn(2, 3, 7, generator=generator)
    (found,) = torch.autograd.grad((weights[0] * mean + weights[1] * square).sum(), activations)
    expected_loss = (weights[0] * plain.mean(2) + weights[1] * (plain**2).mean(2)).sum()
    (expected,) = torch.autograd.grad(expected_loss, activations)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("size", [1, 50, 60, 150, 10**6])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_size_of_a_task_changes_nothing(size, layout, monkeypatch):
    monkeypatch.setattr(observation, "TASK", size)  # an image holds 60 numbers: tasks of 1, 1, 1, 2 and 5
    generator = torch.Generator().manual_seed(0)
    activations = torch.randn(5, 3, 5, 4, generator=generator).contiguous(memory_format=layout)
    mean, square = spatial_moments(activations)
    torch.testing.assert_close(mean, activations.double().mean((2, 3)).float())
    torch.testing.assert_close(square, activations.double().square().mean((2, 3)).float())


def test_the_gradient_of_one_moment_by_hand():
    activations = torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mean, square = spatial_moments(activations)
    (of_mean,) = torch.autograd.grad(mean[1, 2].sum(), activations, retain_graph=True)
    (of_square,) = torch.autograd.grad(square[1, 2].sum(), activations)
    expected = torch.zeros(2, 3, 4, 4)
    expected[1, 2] = 1 / 16
    torch.testing.assert_close(of_mean, expected)
    torch.testing.assert_close(of_square, 2 * activations.detach() * expected)
