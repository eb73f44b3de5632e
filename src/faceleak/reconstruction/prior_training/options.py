"""Configuration of the `prior` pipeline."""

from typing import Literal

from pydantic import Field, model_validator

from faceleak.backbones.target_options import LoadOptions
from faceleak.common.options import Options


class AugmentationOptions(Options):
    """How far the discriminator's view is blurred where it overfits (arXiv 2006.06676, section 3.2).

    `overfitting`: the mean sign of its answers to training images, in 0…1, that is aimed at: each change of the view
    becomes likelier above it. From never to always takes `adaptation_images`; `start` is the first probability.
    """

    overfitting: float = Field(0.6, gt=0, lt=1)
    adaptation_images: int = Field(50_000, ge=1)
    start: float = Field(0.0, ge=0, le=1)


class GanOptions(Options):
    """A lightweight GAN for small sets (FastGAN, arXiv 2101.04775), trained by the hinge loss and Adam.

    images: how many are shown in all; training goes on where this is raised later. After `images_per_round` of them the
    generator is kept and judged. `image_size`: pixels. `latent_size`: numbers in a latent. `generator_width`,
    `discriminator_width`: channels at 64 pixels. `batch_size`: images in a step. `learning_rate`: of Adam.
    `average_images`: the half-life of the generator's running average. `horizontal_flip`: mirrors half of the images.
    `seed`: of initial weights, latents and order of images.
    """

    image_size: Literal[64, 128, 256] = 64
    latent_size: int = Field(128, ge=2)
    generator_width: int = Field(ge=2)
    discriminator_width: int = Field(ge=2)
    images: int = Field(ge=1)
    images_per_round: int = Field(ge=1)
    batch_size: int = Field(16, ge=2)
    learning_rate: float = Field(2e-4, gt=0)
    average_images: int = Field(5_000, ge=1)
    horizontal_flip: bool = True
    augmentation: AugmentationOptions = AugmentationOptions()
    seed: int = 0

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
    """The whole `prior` block: a generator trained on people with the role `public`, without `held_out_share` of them.

    features: whose embeddings judge the samples. `evaluator` is the evaluator of `reconstruction`; a block as
    `target.load` is a backbone from outside. `samples`: how many are judged. sheet_every: rounds between two sheets of
    samples.
    """

    training: GanOptions
    held_out_share: float = Field(0.2, gt=0, lt=1)
    features: Literal["evaluator"] | LoadOptions = "evaluator"
    samples: int = Field(500, ge=4)
    sheet_every: int = Field(1, ge=1)

    @property
    def features_name(self) -> str:
        """What metrics call the backbone that makes the features."""
        if isinstance(self.features, LoadOptions):
            return str(self.features.architecture or self.features.factory or "onnx").replace(":", ".")
        return self.features
