"""Configuration of the `prior` pipeline."""

from typing import Literal

from pydantic import Field, model_validator

from faceleak.backbones.target_options import LoadOptions
from faceleak.common.options import Options


class AugmentationOptions(Options):
    """How far the discriminator's view is blurred where it overfits (arXiv 2006.06676, section 3.2)."""

    overfitting: float = Field(0.6, gt=0, lt=1)
    """Mean sign of its answers to training images that is aimed at: above it each change of the view grows likelier."""
    adaptation_images: int = Field(50_000, ge=1)
    """Images shown on the way of that probability from never to always."""
    start: float = Field(0.0, ge=0, le=1)
    """The first probability of each change."""


class GanOptions(Options):
    """A lightweight GAN for small sets (FastGAN, arXiv 2101.04775), trained by the hinge loss and Adam."""

    image_size: Literal[64, 128, 256] = 64
    """Side of the images in pixels."""
    latent_size: int = Field(128, ge=2)
    """Numbers in a latent."""
    generator_width: int = Field(ge=2)
    """Channels of the generator at 64 pixels."""
    discriminator_width: int = Field(ge=2)
    """Channels of the discriminator at 64 pixels."""
    images: int = Field(ge=1)
    """How many images are shown in all; training goes on where this is raised later."""
    images_per_round: int = Field(ge=1)
    """After so many images the generator is kept and judged."""
    batch_size: int = Field(16, ge=2)
    """Images in a step."""
    learning_rate: float = Field(2e-4, gt=0)
    """Learning rate of Adam."""
    average_images: int = Field(5_000, ge=1)
    """Half-life of the generator's running average, in images."""
    horizontal_flip: bool = True
    """Mirrors half of the images."""
    augmentation: AugmentationOptions = AugmentationOptions()
    """How far the discriminator's view is blurred where it overfits."""
    seed: int = 0
    """Seed of initial weights, latents and order of images."""

    @property
    def rounds(self) -> int:
        """How many rounds there are; the last one is as long as the others."""
        return -(-self.images // self.images_per_round)

    @property
    def steps(self) -> int:
        """Steps of a round, in whole batches."""
        return self.images_per_round // self.batch_size

    def images_shown(self, rounds: int) -> int:
        """How many images so many rounds show."""
        return rounds * self.steps * self.batch_size

    @model_validator(mode="after")
    def _fill_a_batch(self) -> "GanOptions":
        if self.images_per_round < self.batch_size:
            raise ValueError(
                f"images_per_round is {self.images_per_round}, less than one batch of {self.batch_size} images"
            )
        return self


class PriorTrainingOptions(Options):
    """The whole `prior` block: a generator trained on people with the role `public`."""

    training: GanOptions
    """The generator, and how it is trained."""
    held_out_share: float = Field(0.2, gt=0, lt=1)
    """Share of the people with the role `public` who are left out of the training."""
    features: Literal["evaluator"] | LoadOptions = "evaluator"
    """Whose embeddings judge the samples: `evaluator` is the evaluator of `reconstruction`; a block as `target.load` is
    a backbone from outside.
    """
    samples: int = Field(500, ge=4)
    """How many samples are judged."""
    sheet_every: int = Field(1, ge=1)
    """Rounds between two sheets of samples."""

    @property
    def features_name(self) -> str:
        """What metrics call the backbone that makes the features."""
        if isinstance(self.features, LoadOptions):
            return str(self.features.architecture or self.features.factory or "onnx").replace(":", ".")
        return self.features
