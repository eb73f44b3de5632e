"""Settings of training under differential privacy."""

from typing import Literal

from pydantic import Field, model_validator

from faceleak.common.options import Options

Unit = Literal["image", "identity"]
Trainable = Literal["scale_and_bias", "last_layer", "scale_and_bias_and_last_layer", "all"]


class PrivateSettings(Options):
    """The privacy to reach, its unit, and the training under it. The learning rate falls linearly to 0."""

    epsilon: float | None = Field(8.0, ge=0.01, allow_inf_nan=False)
    """The ε of (ε, δ) for adding or removing one unit. Without it the same training runs with neither clipping nor
    noise, and claims nothing.
    """
    delta: float | None = Field(None, gt=0, lt=1)
    """The δ of (ε, δ); without it, 1/(10·units)."""
    unit: Unit = "identity"
    """What is protected as a whole: an `image`, or an `identity` with all images of a person (user-level sampling,
    arXiv 2407.07737).
    """
    trainable: Trainable = "scale_and_bias"
    """What is trained: `scale_and_bias` of the normalization layers, the `last_layer`, both, or `all` (slower)."""
    steps: int = Field(60, ge=1)
    """Steps of SGD."""
    units_per_step: float = Field(25, gt=0)
    """Expected number of units in a step; each unit is drawn by itself (Poisson)."""
    images_per_unit: int = Field(4, ge=1)
    """Images of a person, drawn again at each step."""
    views: int = Field(1, ge=1)
    """Augmentations of an image, averaged within its unit (arXiv 2204.13650)."""
    clipping_norm: float = Field(1.0, gt=0, allow_inf_nan=False)
    """Largest L2 norm of a unit's gradient."""
    learning_rate: float = Field(0.03, gt=0)
    """Learning rate of the first step."""
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD."""
    secret_seed: bool = False
    """Takes draws and noise from the system's randomness instead of the seed."""

    @model_validator(mode="after")
    def _delta_belongs_to_epsilon(self) -> "PrivateSettings":
        if self.epsilon is None and self.delta is not None:
            raise ValueError("delta without epsilon: training without privacy has neither")
        return self
