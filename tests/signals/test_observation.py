import pytest
import torch
from torch import nn

from faceleak.signals.observation import observe


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
