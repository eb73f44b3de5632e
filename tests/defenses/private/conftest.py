"""A private run on a tiny backbone and a few people of the demo store."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.private import training
from faceleak.defenses.private.sampling import make_units
from faceleak.defenses.private.settings import PrivateSettings
from faceleak.defenses.private.training import PrivateRun

LOSS = TrainingOptions(architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, scale=16)


@pytest.fixture
def private_images(demo_store) -> pd.DataFrame:
    """The first five people of the store, the last one with fewer images."""
    return demo_store.manifest().sort_values("image_id").head(27)[["image_id", "identity", "sha256"]]


@pytest.fixture
def make_run(tiny_backbone, demo_store, private_images, compute) -> Iterator[Callable[..., PrivateRun]]:
    """Settings by name → a run. Its noise is not searched for, which takes seconds, unless a test says so."""

    def make(seed: int = 0, **settings) -> PrivateRun:
        defaults = {"epsilon": 4.0, "steps": 4, "units_per_step": 3, "images_per_unit": 6, "learning_rate": 0.05}
        checked = PrivateSettings(**defaults | settings)
        units = make_units(private_images, demo_store, checked.unit)
        return PrivateRun(tiny_backbone, units, demo_store, checked, LOSS, compute, seed)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "noise_multiplier", lambda *_: 1.5)
        yield make


@pytest.fixture
def nowhere(tmp_path) -> Path:
    """Where a checkpoint may lie, and does not."""
    return tmp_path / "checkpoint.pt"
