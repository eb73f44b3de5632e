import pytest
import torch

from faceleak.reconstruction.prior_training.gan import Adaptation, Gan, changed
from faceleak.reconstruction.prior_training.networks import Discriminator, FaceGenerator, _quarter
from faceleak.reconstruction.prior_training.options import GanOptions
from faceleak.work.compute import seeded

OPTIONS = GanOptions(
    latent_size=8,
    generator_width=2,
    discriminator_width=2,
    images=16,
    images_per_round=8,
    batch_size=4,
    average_images=40,
)


@pytest.mark.parametrize("size", [64, 128, 256])
def test_networks_of_every_size(size):
    with seeded(0):
        generator, discriminator = FaceGenerator(size, 8, 2).eval(), Discriminator(size, 2)
        images = generator(torch.randn(2, 8))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1
    logits, distance = discriminator.remember(images, 3)
    assert logits.shape == (2, 1, 5, 5)
    assert distance.shape == ()
    assert len(generator.excitations) == {64: 1, 128: 2, 256: 3}[size]


def test_the_decoders_are_compared_with_what_the_discriminator_saw():
    with seeded(0):
        discriminator, images = Discriminator(64, 2).eval(), torch.rand(3, 3, 64, 64) * 2 - 1
    middle, coarse = discriminator.features(images)
    smaller = torch.nn.functional.avg_pool2d(images, 2)
    lower_left = images[:, :, 32:, :32]
    expected = (discriminator.whole(coarse) - smaller).abs().mean()
    expected = expected + (discriminator.part(middle[:, :, 8:, :8]) - lower_left).abs().mean()
    torch.testing.assert_close(discriminator.remember(images, 2)[1], expected)


def test_quarters_are_counted_row_by_row():
    image = torch.arange(16.0).view(1, 1, 4, 4)
    assert [int(_quarter(image, number).sum()) for number in range(4)] == [10, 18, 42, 50]


def test_spectral_normalization_lets_the_logits_grow_no_faster_than_the_features():
    with seeded(0):
        discriminator = Discriminator(64, 2).train()
        for _ in range(30):  # of the power iteration
            discriminator(torch.rand(4, 3, 64, 64))
    weight = discriminator.eval().logits[0].weight.flatten(1)
    assert torch.linalg.matrix_norm(weight, 2).item() == pytest.approx(1, abs=1e-3)


def test_each_image_is_changed_by_chance_and_gradients_come_through():
    with seeded(3):
        faces = torch.rand(64, 3, 32, 32) * 1.8 - 0.9
        assert changed(faces, 0.0) is faces
        faces.requires_grad_(True)
        shown = changed(faces, 0.3)
    kept = (shown == (faces + 1) / 2 * 2 - 1).flatten(1).all(1)
    assert 0.15 < kept.float().mean() < 0.6  # 0.7³ = 0.34 are to be left alone
    assert shown.abs().max() <= 1 + 1e-6
    (gradient,) = torch.autograd.grad(shown.square().sum(), faces)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).abs().sum(1) > 0).all()


def test_the_view_is_changed_more_where_the_discriminator_is_too_sure_and_less_where_it_is_not():
    adaptation = Adaptation(target=0.6, images=64, start=0.5)
    sure, unsure = torch.ones(4, 1, 5, 5), torch.tensor([1.0, -1.0]).repeat(2)[:, None]
    for _ in range(3):
        adaptation.see(sure)
    assert adaptation.probability == 0.5  # after four batches, not before
    adaptation.see(sure)
    assert (adaptation.probability, adaptation.overfitting) == (0.75, 1)
    for _ in range(8):
        adaptation.see(unsure)
    assert (adaptation.probability, adaptation.overfitting) == (0.25, 0)
    for _ in range(40):
        adaptation.see(sure)
    assert adaptation.probability == 1
    other = Adaptation(target=0.6, images=64, start=0.0)
    other.load_state_dict(adaptation.state_dict())
    assert other.state_dict() == adaptation.state_dict()


def test_a_step_trains_both_and_the_average_follows_by_its_half_life():
    gan = Gan(OPTIONS, torch.device("cpu"), torch.float32)
    before = gan.average.to_rgb.weight.clone()
    discriminator = {name: tensor.clone() for name, tensor in gan.discriminator.named_parameters()}
    with seeded(1):
        losses = gan.step(torch.rand(4, 3, 64, 64) * 2 - 1, 0, images_shown=80)
    assert losses.shape == (3,)
    assert all(not tensor.equal(discriminator[name]) for name, tensor in gan.discriminator.named_parameters())
    kept = 0.5 ** (4 / min(40, 0.05 * 80))
    expected = kept * before + (1 - kept) * gan.generator.to_rgb.weight
    torch.testing.assert_close(gan.average.to_rgb.weight, expected)
    assert not before.equal(gan.generator.to_rgb.weight)
    assert all(parameter.requires_grad for parameter in gan.discriminator.parameters())


def test_the_settled_generator_has_the_average_and_bn_statistics_of_its_own():
    gan = Gan(OPTIONS, torch.device("cpu"), torch.float32)
    with seeded(1):
        gan.step(torch.rand(4, 3, 64, 64) * 2 - 1, 0, images_shown=80)
    settled = gan.settled()
    assert torch.equal(settled.to_rgb.weight, gan.average.to_rgb.weight)
    assert not settled.training
    latents = torch.randn(2048, 8, generator=torch.Generator().manual_seed(5))
    inputs = settled.first[0](latents[:, :, None, None])
    torch.testing.assert_close(settled.first[1].running_var, inputs.var((0, 2, 3)), rtol=0.15, atol=0)
    assert gan.average.first[1].running_var.sub(settled.first[1].running_var).abs().min() > 0.1  # was 1 at first
