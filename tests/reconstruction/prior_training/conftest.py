from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from faceleak.reconstruction.prior_training.options import GanOptions
from faceleak.reconstruction.prior_training.task import PriorTask

TINY = {
    "latent_size": 8,
    "generator_width": 2,
    "discriminator_width": 2,
    "images": 24,
    "images_per_round": 8,
    "batch_size": 4,
    "learning_rate": 1e-3,
    "augmentation": {"start": 0.5, "adaptation_images": 100},
}


@pytest.fixture(scope="session")
def images(demo_store) -> pd.DataFrame:
    return demo_store.manifest().head(20)[["image_id", "identity", "sha256"]]


@pytest.fixture(scope="session")
def task_in(demo_store, images, compute) -> Callable[..., PriorTask]:
    """A tiny prior to train, with a cache: three rounds of two steps."""

    def make(cache: Path, faces=images, where=compute, **options) -> PriorTask:
        where = where.model_copy(update={"cache": cache})
        return PriorTask(demo_store, faces, GanOptions.model_validate(TINY | options), where)

    return make


@pytest.fixture
def task(task_in, tmp_path) -> Callable[..., PriorTask]:
    """A tiny prior to train in a cache of its own."""
    return lambda cache=tmp_path / "cache", **options: task_in(cache, **options)
