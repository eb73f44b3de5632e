import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.store import FaceStore
from faceleak.membership.options import AttackOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.networks import Network
from faceleak.planning.options import PlanError, PlanOptions
from faceleak.planning.quantities import (
    A_NODE,
    comparing,
    fitting,
    measuring,
    packing,
    reading,
    training,
    training_on,
    validating,
    verifying,
)
from faceleak.planning.rates import rates_for
from faceleak.planning.sample import Sample
from faceleak.planning.work import Cost, Quantity, Work
from faceleak.work.compute import ComputeOptions

OPTIONS = TrainingOptions(architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=3, batch_size=8)
NETWORK = Network.of(OPTIONS, None)
BOOTSTRAP = BootstrapOptions(resamples=100)
QUANTITIES = [
    training(OPTIONS),
    reading(NETWORK),
    packing(),
    validating(),
    comparing(16, 10),
    fitting("calibrated", AttackOptions(signals=["bn_distance"], calibration="features"), NETWORK, references=2),
    verifying(20, 40, 1000, BOOTSTRAP),
    measuring("mean", BOOTSTRAP),
    A_NODE,
]


@pytest.fixture
def sample(demo_store: FaceStore, compute: ComputeOptions, tmp_path: Path) -> Sample:
    images: pd.DataFrame = demo_store.manifest()[["image_id", "identity", "sha256"]]
    return Sample(
        demo_store, images, compute.model_copy(update={"cache": tmp_path}), ["bn_distance", "reference_similarity"]
    )


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda quantity: quantity.name)
def test_each_quantity_is_measured_by_doing_some_of_it(quantity: Quantity, sample: Sample) -> None:
    rate = quantity.measure(sample)
    assert rate.seconds > 0
    assert rate.cpu_seconds > 0
    assert rate.how.startswith(("measured: ", "assumed: "))


@pytest.mark.parametrize("quantity", QUANTITIES[:2], ids=lambda quantity: quantity.name)
def test_of_what_is_slow_little_is_done(quantity: Quantity, sample: Sample) -> None:
    hasty = replace(sample, patience=1e-9)
    started = time.process_time()
    rate = quantity.measure(hasty)
    assert rate.seconds > 0
    assert rate.how in ("measured: training on 4 images", "measured: reading 3 and 12 images")
    assert time.process_time() - started < 20


def test_rates_are_named_by_what_they_are_about() -> None:
    assert [training(OPTIONS).name, reading(NETWORK).name] == [
        "training iresnet_tiny 32x32",
        "reading iresnet_tiny 32x32",
    ]
    assert training_on(NETWORK).name == training(OPTIONS).name


def test_what_is_stated_or_there_is_not_measured(sample: Sample) -> None:
    def fails(_: Sample) -> object:
        raise AssertionError

    stated, there = Quantity("stated", fails), Quantity("there", fails)  # type: ignore[arg-type]
    works = [
        Work("a", 1, (Cost(stated, 1),)),
        Work("b", 2, (Cost(there, 1),), there=2),
        Work("c", 1, (Cost(A_NODE, 1),), "pool"),
    ]
    alone = replace(sample, compute=sample.compute.model_copy(update={"workers": 1}))
    plan = PlanOptions.model_validate({"rates": {"stated": {"per_second": 4, "source": "elsewhere"}}})
    rates = rates_for(works, alone, plan)
    assert rates.by_driver["stated"].seconds == 0.25
    assert rates.by_driver["there"].how == "not needed: all tasks are there"
    needed = {name for of in (rates.by_driver, rates.by_workers) for name, rate in of.items() if rate.needed}
    assert needed == {"stated", "a node"}
    assert rates.by_workers["a node"].seconds == 0.35
    with pytest.raises(PlanError, match=r"plan\.rates has stated; this audit takes a node, there"):
        rates_for(works[1:], alone, plan)
