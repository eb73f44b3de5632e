"""What names the result of stage 2."""

import torch

from faceleak.compute import seeded
from faceleak.reconstruction.pieces import ReconstructionPiece
from faceleak.reconstruction.prior_training.generator import FaceGenerator
from faceleak.reconstruction.prior_training.trained import PriorCard, TrainedPrior, save_trained_prior


def test_a_result_is_named_by_the_prior_that_lies_in_the_folder(
    tiny_backbone, tiny_attack, search_options, compute, tmp_path
):
    def named(prior) -> str:
        signals = ("bn_distance",)
        piece = ReconstructionPiece("plain", tiny_backbone, signals, tiny_attack, prior, search_options, compute)
        return piece.path.name

    with seeded(0):
        prior = TrainedPrior(FaceGenerator(64, 8, 2), PriorCard(image_size=64, latent_size=8, width=2))
    save_trained_prior(prior, tmp_path)
    first = named(tmp_path)
    assert first == named(tmp_path) != named("demo")
    prior.generator.to_rgb.bias += torch.ones(3)
    save_trained_prior(prior, tmp_path)
    assert named(tmp_path) != first
