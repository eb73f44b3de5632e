import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor

from benchmarks import grouped_stylegan2
from faceleak.reconstruction.priors.published import from_official
from faceleak.reconstruction.priors.stylegan2_network import Shape, StyleGAN2, enlarge, low_pass, smooth


def test_the_filter_by_hand() -> None:
    assert torch.allclose(low_pass()[0, 0, 0], torch.tensor([1.0, 3.0, 3.0, 1.0]) / 16)
    assert low_pass().sum() == 4


def test_enlarging_keeps_a_flat_image_inside_and_its_sum_times_four() -> None:
    flat = enlarge(torch.full((1, 2, 5, 5), 0.5), low_pass())
    assert flat.shape == (1, 2, 10, 10)
    assert torch.allclose(flat[:, :, 1:-1, 1:-1], torch.tensor(0.5))


def test_a_row_enlarged_by_hand() -> None:
    rows = torch.zeros(1, 1, 3, 3)
    rows[0, 0, 1] = torch.tensor([0.0, 4.0, 0.0])
    # along the row, each pixel spreads as [1, 3, 3, 1] / 4 over four; so it does across, where rows 2 and 3 get 3 / 4
    assert torch.allclose(enlarge(rows, low_pass())[0, 0, 2], 0.75 * torch.tensor([0.0, 1.0, 3.0, 3.0, 1.0, 0.0]))


def test_smoothing_takes_one_row_and_one_column_away() -> None:
    impulse = torch.zeros(1, 1, 7, 7)
    impulse[0, 0, 3, 3] = 1
    smoothed = smooth(impulse, low_pass())
    assert smoothed.shape == (1, 1, 6, 6)
    assert torch.allclose(smoothed[0, 0, 1:5, 1:5], low_pass()[0, 0])


def _latents(count: int, *size: int) -> Tensor:
    return torch.randn(count, *size, generator=torch.Generator().manual_seed(3))


def _near(found: Tensor, expected: Tensor) -> bool:
    """Within 1e-5 of the images' own scale."""
    return bool((found - expected).abs().max() <= 1e-5 * max(1, float(expected.abs().max())))


@settings(max_examples=40)
@given(
    channels=st.lists(st.integers(1, 9), min_size=2, max_size=4),
    layers=st.integers(1, 4),
    noise=st.booleans(),
    clamp=st.sampled_from([None, 0.7]),
    count=st.integers(1, 3),
)
def test_it_draws_what_grouped_convolutions_draw(
    channels: list[int], layers: int, noise: bool, clamp: float | None, count: int
) -> None:
    state = grouped_stylegan2.random_state(tuple(channels), 5, 6, layers, seed=layers)
    shape, weights = from_official(state, "random", clamp)
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    z = _latents(count, 5)
    assert torch.allclose(network.to_w(z), grouped_stylegan2.map_latents(state, z), atol=1e-5)
    w = _latents(count, shape.styles, 6)  # another one for each layer
    expected = grouped_stylegan2.draw(state, w, noise, clamp)
    assert expected.shape == (count, 3, shape.resolution, shape.resolution)
    assert _near(network.draw(w, "constant" if noise else "none"), expected)


def test_its_gradient_is_that_of_grouped_convolutions(network, official_state) -> None:
    gradients = []
    for draw in (network.draw, lambda w: grouped_stylegan2.draw(official_state, w)):
        w = _latents(2, network.shape.styles, 9).requires_grad_(True)
        (gradient,) = torch.autograd.grad(draw(w).sin().sum(), w)
        gradients.append(gradient)
    assert (gradients[0] - gradients[1]).abs().max() <= 1e-4 * gradients[1].abs().max()


def test_each_w_acts_on_its_own_layer(network) -> None:
    w = _latents(1, network.shape.styles, 9)
    before = network.draw(w)
    for style in range(network.shape.styles):
        moved = w.clone()
        moved[:, style] += 1
        assert (network.draw(moved) - before).abs().max() > 1e-3


def test_an_image_does_not_depend_on_the_others(network) -> None:
    w = _latents(5, network.shape.styles, 9)
    alone = torch.cat([network.draw(one[None]) for one in w])
    assert torch.allclose(network.draw(w), alone, atol=1e-5)


def test_noise_is_constant_absent_or_drawn_from_a_generator(network) -> None:
    w = _latents(2, 1, 9).expand(-1, network.shape.styles, -1)
    constant, none = network.draw(w), network.draw(w, "none")
    assert torch.equal(constant, network.draw(w))
    assert (constant - none).abs().max() > 1e-3
    drawn = [network.draw(w, "random", torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1])
    assert (drawn[0] - drawn[2]).abs().max() > 1e-3
    same = network.draw(w[:1].expand(2, -1, -1), "random", torch.Generator().manual_seed(0))
    assert (same[0] - same[1]).abs().max() > 1e-3  # for each image anew


def test_under_autocast_it_draws_nearly_the_same_in_float32(network) -> None:
    w = _latents(4, network.shape.styles, 9)
    with torch.autocast("cpu", torch.bfloat16):
        rough = network.draw(w)
    exact = network.draw(w)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, exact)
    assert (rough - exact).abs().mean() < 0.02 * exact.std()


def test_channels_have_to_make_the_resolution() -> None:
    with pytest.raises(ValidationError, match="3 sizes of channels make 16 pixels, not 32"):
        Shape(resolution=32, z_size=4, w_size=4, mapping_layers=1, channels=(3, 3, 3))
