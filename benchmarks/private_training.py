"""Private training: what a step costs, whether ε is right, and whether canaries are found with and without it.

A canary is a name under which stand images of two different people (mislabeled), drawn again and again. Half of the
canaries are trained on; the score of each is how much training moved its images together.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import torch
from opacus.accountants import PRVAccountant

from benchmarks.pairs import median_ratio
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.embedding import embed
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.defenses.private.accounting import epsilon_spent, noise_multiplier
from faceleak.defenses.private.sampling import make_units
from faceleak.defenses.private.settings import PrivateSettings
from faceleak.defenses.private.training import PrivateRun
from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions
from faceleak.faces.store import FaceStore, pack
from faceleak.metrics.roc import auc
from faceleak.work.compute import ComputeOptions, keep_freed_memory, single_threaded

RATIO_LIMIT = 3.0
DIFFERENCE_LIMIT = 0.01
FOUND, HIDDEN = 0.75, 0.65  # AUC of the canaries without and with privacy
EPSILON = 2.0
PEOPLE, IMAGES = 60, 8
PUBLIC = 20
BUDGETS = [(1.0, 1e-5, 0.01, 500), (8.0, 1e-3, 0.25, 60), (3.0, 1e-4, 0.1, 200)]
OPTIONS = TrainingOptions(
    architecture="iresnet_demo", image_size=64, embedding_size=64, epochs=6, batch_size=32, margin=0.3, scale=16
)


def run() -> bool:
    """Print a row a figure; False where a threshold is missed."""
    keep_freed_memory()
    with TemporaryDirectory() as folder, single_threaded():
        compute = ComputeOptions(device="cpu", precision="float32", workers=1, cache=Path(folder))
        pack(DemoFaces(DemoOptions(people=PEOPLE, images_per_person=IMAGES), compute), Path(folder) / "faces.arrow")
        store = FaceStore(Path(folder) / "faces.arrow")
        images = store.manifest()[["image_id", "identity", "sha256"]]
        public = images["identity"].isin(sorted(images["identity"].unique())[:PUBLIC])
        task = TrainingTask("start", store, images[public], OPTIONS, compute, compute.cache)
        start = train_backbones([task], compute)[0]
        results = [_epsilon(), _step(start, store, images[~public], compute)]
        results.append(_canaries(start, store, images[~public], compute))
    return all(results)


def _epsilon() -> bool:
    try:
        import dp_accounting
        from dp_accounting import pld
    except ImportError:
        print("ε against dp-accounting: not installed, not compared")
        return True
    kept = True
    for target, delta, rate, steps in BUDGETS:
        sigma = noise_multiplier(target, delta, rate, steps)
        ours, other = PRVAccountant(), pld.PLDAccountant(value_discretization_interval=1e-3)
        ours.history = [(sigma, rate, steps)]
        step = dp_accounting.PoissonSampledDpEvent(rate, dp_accounting.GaussianDpEvent(sigma))
        other.compose(dp_accounting.SelfComposedDpEvent(step, steps))
        spent, expected = epsilon_spent(ours, delta), other.get_epsilon(delta)
        difference = spent / expected - 1
        kept &= abs(difference) <= DIFFERENCE_LIMIT
        print(f"ε {spent:7.4f}, by dp-accounting {expected:7.4f}: {difference:+.2%}  (at most ±{DIFFERENCE_LIMIT:.0%})")
    return kept


def _step(start: Backbone, store: FaceStore, images: pd.DataFrame, compute: ComputeOptions) -> bool:
    kept = True
    for trainable in ("scale_and_bias", "last_layer", "all"):
        ratio = median_ratio(*(_summing(start, store, images, compute, e, trainable) for e in (8.0, None)), rounds=5)
        recommended = trainable == PrivateSettings().trainable
        kept &= ratio <= RATIO_LIMIT or not recommended
        limit = f"  (at most {RATIO_LIMIT:.0f})" if recommended else ""
        print(f"private step / same step without privacy, {trainable:15} {ratio:5.2f}{limit}")
    return kept


def _summing(
    start: Backbone,
    store: FaceStore,
    images: pd.DataFrame,
    compute: ComputeOptions,
    epsilon: float | None,
    trainable: str,
) -> Callable[[], object]:
    """A step that draws the same units each time."""
    settings = PrivateSettings(epsilon=epsilon, trainable=trainable, units_per_step=8, images_per_unit=8)  # type: ignore[arg-type]
    private = PrivateRun(start, make_units(images, store, "identity"), store, settings, OPTIONS, compute, 0)

    class Always:
        rate = private.sampler.rate

        def draw(self) -> torch.Tensor:
            return torch.arange(8)

    private.sampler = Always()  # type: ignore[assignment]
    return private.step


def _canaries(start: Backbone, store: FaceStore, images: pd.DataFrame, compute: ComputeOptions) -> bool:
    canaries = _mislabeled(images)
    names = sorted(canaries["identity"].unique())
    trained = canaries["identity"].isin(names[::2])
    private_images, before = canaries[trained], _closeness(start, store, canaries, compute)
    found = []
    for epsilon in (None, EPSILON):
        settings = PrivateSettings(
            epsilon=epsilon,
            trainable="all",
            steps=100,
            units_per_step=len(names) // 4,
            images_per_unit=IMAGES,
            learning_rate=0.1,
        )
        units = make_units(private_images, store, "identity")
        private = PrivateRun(start, units, store, settings, OPTIONS, compute, seed=0)
        private.train(compute.cache / f"canaries_{epsilon}.pt")
        moved = _closeness(private.result({}), store, canaries, compute) - before
        found.append(auc(moved.to_numpy(), moved.index.isin(names[::2])))
    print(f"canaries without privacy: AUC {found[0]:.2f}  (at least {FOUND})")
    print(f"canaries with ε = {EPSILON:g}:      AUC {found[1]:.2f}  (at most {HIDDEN})")
    return found[0] >= FOUND and found[1] <= HIDDEN


def _mislabeled(images: pd.DataFrame) -> pd.DataFrame:
    """One canary a person: an image of this one and an image of another, under one new name."""
    images = images.sort_values("image_id")
    people = pd.factorize(images["identity"], sort=True)[0]
    place, number = images.groupby("identity").cumcount(), people.max() + 1
    canary = np.where(place == 0, people, (people + number // 2) % number)
    named = images.assign(identity=[f"canary_{each:02}" for each in canary])
    return named[place < 2]


def _closeness(
    backbone: Backbone, store: FaceStore, images: pd.DataFrame, compute: ComputeOptions
) -> "pd.Series[float]":
    """Length of the mean direction of each identity's images."""
    embeddings = embed(backbone, store, images["image_id"], compute)
    directions = pd.DataFrame(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True))
    means = directions.groupby(images["identity"].to_numpy()).mean()
    return pd.Series(np.linalg.norm(means, axis=1), index=means.index)


if __name__ == "__main__":
    run()
