"""Tasks to train in a second or two, on one thread: how sums are split among threads changes their rounding."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from faceleak.backbones.training import TrainingTask
from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, single_threaded

OPTIONS = TrainingOptions(
    architecture="iresnet_tiny",
    image_size=32,
    embedding_size=16,
    epochs=3,
    batch_size=8,
    learning_rate=0.05,
    margin=0.3,
    scale=16,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: the nets are tiny, and results are compared to the bit."""
    with single_threaded():
        yield


@pytest.fixture
def images(demo_store: FaceStore) -> pd.DataFrame:
    """24 images, 6 of each of four people."""
    return demo_store.manifest().head(24)


@pytest.fixture
def task(
    demo_store: FaceStore, images: pd.DataFrame, compute: ComputeOptions, tmp_path: Path
) -> Callable[..., TrainingTask]:
    """Make a task: task(images=…, cache=…, compute=…, start=…, and any training option)."""

    def make(**changes) -> TrainingTask:
        parts = {"images": images, "cache": tmp_path / "backbones", "compute": compute, "start": None}
        parts = {name: changes.pop(name, value) for name, value in parts.items()}
        return TrainingTask("task", demo_store, options=OPTIONS.model_copy(update=changes), **parts)

    return make
