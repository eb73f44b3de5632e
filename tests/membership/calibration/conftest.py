"""Simulated reference backbones: normal scores whose mean and variance differ from image to image."""

from collections.abc import Callable

import numpy as np
import pytest

from faceleak.membership.calibration.reference_scores import ReferenceScores


@pytest.fixture(scope="session")
def simulate() -> Callable[..., tuple[ReferenceScores, np.ndarray]]:
    """simulate(images, references, …) → scores and is_member; training raises a score by one standard deviation.

    `shape` of the inverse gamma distribution of the variances, whose usual value is 1; None: all are 1. `online`: of
    twice as many references one half was trained on each image.
    """

    def draw(images=2000, references=4, seed=0, shape=2.0, between=2.0, online=False):
        random = np.random.default_rng(seed)
        scale = np.ones(images) if shape is None else 1 / np.sqrt(random.gamma(shape, 1 / shape, images))
        mean, is_member = random.normal(0, between, images), np.arange(images) % 2 == 0
        trained_on = np.zeros((images, references), bool)
        if online:
            trained_on = random.permuted(np.hstack([trained_on, ~trained_on]), axis=1)
        trained = np.column_stack([is_member, trained_on])
        scores = mean[:, None] + scale[:, None] * (trained + random.normal(size=trained.shape))
        return ReferenceScores(scores[:, 0], scores[:, 1:], trained_on), is_member

    return draw
