"""Measurements of training, of reading signals and of searching: what networks do."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import pandas as pd

from faceleak.backbones.training_options import TrainingOptions
from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore
from faceleak.planning.configured import Audit
from faceleak.planning.networks import Network
from faceleak.planning.rates import Rate, Timing, memory_so_far, rate_of, timed
from faceleak.planning.searching import faces_climbed, faces_ranked

BATCHES = (1, 5)  # of a training, after which a line is drawn
LONG = 5.0  # seconds after which one batch more has to do
STEPS = 3  # of a search
SHARE_OF_READING = 4  # the smaller reading is this part of the larger one


@dataclass(frozen=True)
class Sample:
    """Images (image_id, identity, sha256) of a store, and a cache that is thrown away afterwards."""

    store: FaceStore
    images: pd.DataFrame
    compute: ComputeOptions


def measurements_of_workers(audit: Audit, sample: Sample) -> dict[str, Callable[[], Rate]]:
    """Quantity → how it is measured."""
    trainings = [options for options in _trainings(audit) if options is not None]
    networks = [audit.of_target, audit.of_references, *audit.of_evaluators.values()]
    own, searched = audit.of_target, cache(partial(measure_search, audit, sample))
    return {
        **{f"training {Network.trained(one).name}": partial(measure_training, one, sample) for one in trainings},
        **{f"reading {network.name}": partial(measure_reading, network, audit, sample) for network in networks},
        f"ranking faces by {own.name}": lambda: searched()[0],
        f"climbing by {own.name}": lambda: searched()[1],
    }


def _trainings(audit: Audit) -> list[TrainingOptions | None]:
    judges = [evaluator.training for evaluator in audit.reconstruction.evaluators.values()]
    return [*judges, audit.membership.references.training, audit.target.train]


def measure_training(options: TrainingOptions, sample: Sample) -> Rate:
    """Seconds an image that a training step takes, by trainings of a few batches."""
    from faceleak.backbones.training import TrainingPiece, train

    one_epoch = options.model_copy(update={"epochs": 1})

    def trained(batches: int) -> Timing:
        images = _as_many(sample.images, batches * options.batch_size)
        cache = sample.compute.cache / f"training_{batches}"
        piece = TrainingPiece("calibration", sample.store, images, one_epoch, sample.compute, cache)
        return timed(len(images), lambda: train(piece))

    trained(1)  # what torch does once in a process is not counted
    few = trained(BATCHES[0])
    many = trained(BATCHES[0] + 1 if few.seconds > LONG else BATCHES[1])
    return rate_of(few, many, f"training on {few.units:,.0f} and {many.units:,.0f} images")


def _as_many(images: pd.DataFrame, number: int) -> pd.DataFrame:
    times = -(-number // len(images))
    return pd.concat([images] * times, ignore_index=True).head(number)


def measure_reading(network: Network, audit: Audit, sample: Sample) -> Rate:
    """Seconds an image that reading all signals takes."""
    from faceleak.signals import is_read_off_images
    from faceleak.signals.reading import read_signals

    backbone = network.make()
    names = [name for name in audit.membership.signals() if is_read_off_images(name)] or ["embedding"]

    def read(images: pd.DataFrame) -> Timing:
        return timed(len(images), lambda: read_signals(names, backbone, sample.store, images, sample.compute))

    images = sample.images
    read(images.tail(2))
    few, many = read(images.head(len(images) // SHARE_OF_READING)), read(images)
    return rate_of(few, many, f"reading {few.units:,.0f} and {many.units:,.0f} images")


def measure_search(audit: Audit, sample: Sample) -> tuple[Rate, Rate]:
    """Seconds a face that ranking and climbing take, by searches of a few steps, guided by an untrained network."""
    from faceleak.compute import pick_device, training_dtype
    from faceleak.reconstruction.objectives.objective import Objective
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.search import reconstruct
    from faceleak.reconstruction.untrained import fit_guide

    search = audit.reconstruction.search
    options = audit.membership.attacks[search.attack]
    references = [audit.of_references.make()] * (audit.membership.references.count if options.calibration else 0)
    labels = sample.images.assign(is_member=pd.factorize(sample.images["identity"])[0] % 2 == 0)
    target, optimiser = audit.of_target.make(), search.optimiser
    guide = fit_guide(target, references, sample.store, labels, options, sample.compute, optimiser)
    device = pick_device(sample.compute)
    prior, dtype = load_prior(audit.reconstruction.prior, device), training_dtype(sample.compute, device)
    objective = Objective(guide.to(device), search.objective)

    selected = min(search.batch_size, search.selected)
    short = search.model_copy(update={"candidates": 2 * selected, "selected": selected, "rounds": 1})

    def searched(steps: int) -> Timing:
        few = short.model_copy(update={"steps": steps})
        units = faces_climbed(few) if steps else faces_ranked(few)
        return timed(units, lambda: reconstruct(prior, objective, few, device, dtype))

    searched(1)
    ranked, climbed = searched(0), searched(STEPS)
    memory = memory_so_far()
    ranking = Rate(
        ranked.seconds / ranked.units,
        ranked.cpu_seconds / ranked.units,
        0.0,
        memory,
        f"measured: ranking {ranked.units:,.0f} faces",
    )
    more = max(climbed.seconds - ranked.seconds, 0.1 * climbed.seconds)
    more_cpu = max(climbed.cpu_seconds - ranked.cpu_seconds, 0.1 * climbed.cpu_seconds)
    climbing = Rate(
        more / climbed.units, more_cpu / climbed.units, 0.0, memory, f"measured: climbing by {climbed.units:,.0f} faces"
    )
    return ranking, climbing
