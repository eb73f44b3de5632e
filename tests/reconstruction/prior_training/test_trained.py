import json

import pytest
import torch

from faceleak.reconstruction.prior_training.networks import FaceGenerator
from faceleak.reconstruction.prior_training.trained import (
    CARD,
    WEIGHTS,
    PriorCard,
    TrainedPrior,
    TrainedPriorError,
    load_trained_prior,
    save_trained_prior,
    trained_prior_hash,
)
from faceleak.reconstruction.priors.opening import load_prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.work.checksummed import SealError
from faceleak.work.compute import seeded

CPU = torch.device("cpu")


@pytest.fixture
def prior() -> TrainedPrior:
    with seeded(0):
        generator = FaceGenerator(64, 8, 2)
    generator.first[0].weight.data *= 1000  # untrained, it draws but gray
    generator.to_rgb.weight.data *= 1000
    return TrainedPrior(generator, PriorCard(image_size=64, latent_size=8, width=2))


def test_a_saved_prior_draws_the_same_faces_in_the_reconstruction_pipeline(prior, tmp_path):
    save_trained_prior(prior, tmp_path)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    loaded = load_prior(PriorOptions(trained=tmp_path), CPU)
    assert torch.equal(torch.get_rng_state(), before)
    latents = torch.randn(3, loaded.latent_size).requires_grad_(True)
    faces = loaded.faces(latents)
    torch.testing.assert_close(faces, prior.faces(latents))
    assert faces.shape == (3, 3, 64, 64)
    assert 0 <= faces.min() < faces.max() <= 1
    (gradient,) = torch.autograd.grad(faces[1].sum(), latents)  # a face depends on its own latent alone
    assert gradient[1].abs().min() > 0
    assert torch.equal(gradient[[0, 2]], torch.zeros(2, 8))


def test_the_seed_alone_decides_the_samples(prior):
    pixels = prior.samples(5, seed=1, batch_size=2)
    assert (pixels.shape, pixels.dtype) == ((5, 64, 64, 3), "uint8")
    assert (prior.samples(5, seed=1, batch_size=2) == pixels).all()
    in_one_batch = prior.samples(5, seed=1).astype(int)
    assert abs(in_one_batch - pixels).max() <= 1  # of rounding
    assert abs(in_one_batch - prior.samples(5, seed=2)).max() > 1


def test_the_hash_follows_the_weights(prior, tmp_path):
    save_trained_prior(prior, tmp_path)
    first = trained_prior_hash(tmp_path)
    save_trained_prior(prior, tmp_path)
    assert trained_prior_hash(tmp_path) == first
    prior.generator.to_rgb.bias += 1
    save_trained_prior(prior, tmp_path)
    assert trained_prior_hash(tmp_path) != first


def test_what_is_no_prior_is_an_error_that_says_what_to_run(prior, tmp_path):
    with pytest.raises(TrainedPriorError, match=r"no trained prior.*kedro run --pipelines=prior"):
        load_trained_prior(tmp_path, CPU)
    save_trained_prior(prior, tmp_path)
    card = json.loads((tmp_path / CARD).read_text())
    (tmp_path / CARD).write_text(json.dumps(card | {"width": 4}))
    with pytest.raises(TrainedPriorError, match=r"does not hold the weights that prior.json"):
        load_trained_prior(tmp_path, CPU)
    (tmp_path / CARD).write_text("no card")
    with pytest.raises(TrainedPriorError, match=r"is not the card of a prior"):
        load_trained_prior(tmp_path, CPU)
    (tmp_path / CARD).write_text(json.dumps(card))
    (tmp_path / WEIGHTS).write_bytes(b"nothing")
    with pytest.raises(SealError, match=rf"{WEIGHTS} is damaged .*Delete {tmp_path} and run the same command"):
        load_trained_prior(tmp_path, CPU)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(SealError, match=rf"{WEIGHTS} is missing"):
        load_trained_prior(tmp_path, CPU)
    with pytest.raises(TrainedPriorError, match=r"kedro run --pipelines=prior"):
        trained_prior_hash(tmp_path)
    (tmp_path / CARD).write_text(json.dumps(card | {"version": 2}))
    with pytest.raises(SealError, match=r"format version 2, .*Update faceleak"):
        load_trained_prior(tmp_path, CPU)
