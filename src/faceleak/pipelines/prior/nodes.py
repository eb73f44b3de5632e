"""Prior: train a generator on public faces, judge it round by round, show what it draws."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.auditing.kinds import Backbone, Figure, TrainedPrior
from faceleak.backbones.target_options import LoadOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.reconstruction.prior_training.options import PriorTrainingOptions
from faceleak.work.compute import ComputeOptions

log = logging.getLogger(__name__)

SAMPLE_SEED = 1  # of the latents that are judged and shown, the same ones after every round


def hold_out_people(splits: pd.DataFrame, options: PriorTrainingOptions) -> pd.DataFrame:
    """Divide the public images into `training` and `held_out` (column part), by people."""
    from faceleak.reconstruction.prior_training.task import hold_out

    return hold_out(with_role(splits, "public"), options.held_out_share, options.training.seed)


def open_features(
    store: FaceStore,
    splits: pd.DataFrame,
    options: PriorTrainingOptions,
    reconstruction: ReconstructionOptions,
    compute: ComputeOptions,
) -> Backbone:
    """The backbone whose embeddings judge the samples: the first independent evaluator, or the given one."""
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.pipelines.reconstruction.nodes import train_evaluators

    if isinstance(options.features, LoadOptions):
        load = options.features
        return load_checkpoint(load.card(), load.weights, load.sha256)
    name = reconstruction.independent[0]
    alone = reconstruction.model_copy(update={"evaluators": {name: reconstruction.evaluators[name]}})
    return train_evaluators(store, splits, alone, compute)[name]


def embed_public(
    features: Backbone,
    store: FaceStore,
    prior_splits: pd.DataFrame,
    options: PriorTrainingOptions,
    compute: ComputeOptions,
) -> pd.DataFrame:
    """Embed all public images at the prior's size, as its samples are: the columns given and `embedding`."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.work.progress import track

    positions = store.positions(prior_splits["image_id"])
    starts = range(0, len(positions), compute.batch_size)
    embeddings = [
        embedding
        for start in track(starts, "Embedding public faces", len(starts), "batches")
        for embedding in embed_pixels(
            features,
            store.images(positions[start : start + compute.batch_size], options.training.image_size),
            compute,
        )
    ]
    return prior_splits.assign(embedding=embeddings)


def train_prior(
    store: FaceStore,
    features: Backbone,
    public: pd.DataFrame,
    options: PriorTrainingOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> tuple[TrainedPrior, pd.DataFrame]:
    """Train the prior; judge it after every round and log that, with a sheet of samples every so often.

    Returns the prior as it is after the last round, and a table with one row a round: images_shown, what
    `judge_samples` measures, and the losses.
    """
    from functools import partial

    from faceleak.reconstruction.prior_training.task import PriorTask
    from faceleak.reconstruction.prior_training.training import rounds
    from faceleak.runs import tracking
    from faceleak.work.tasks import remembered_json

    task = PriorTask(store, public[public["part"] == "training"], options.training, compute)
    judgment = f"judged_{_evaluator_name(features, store.as_stored(public), options, bootstrap)}.json"
    history: list[dict[str, float]] = []
    for number, prior in enumerate(rounds(task)):
        matcher = partial(judge_samples, prior, features, public, options, bootstrap, compute)
        history.append(prior.card.state | remembered_json(task.after(number) / judgment, matcher))
        shown = int(prior.card.state["images_shown"])
        log.info(_summary(shown, history[-1], options.features_name))
        tracking.log_step({f"prior/{name}": value for name, value in history[-1].items()}, shown)
        if (number + 1) % options.sheet_every == 0:
            sheet = task.folder / "sheets" / f"samples_{shown:09d}.png"
            _save_sheet(prior, shown, sheet)
            tracking.log_file(sheet, "prior/sheets")
    return prior, pd.DataFrame(history)


def _summary(images_shown: int, measured: dict[str, float], features_name: str) -> str:
    distance, low, high = (measured[f"kid_by_{features_name}{suffix}"] for suffix in ("", "_ci_low", "_ci_high"))
    return (
        f"{images_shown:,} images shown: KID by {features_name} {distance:.3f} [{low:.3f}, {high:.3f}], "
        f"{measured['copied_share']:.1%} of the samples nearer to a training face than 99 % of held-out people are"
    )


def _evaluator_name(
    features: Backbone, public: pd.DataFrame, options: PriorTrainingOptions, bootstrap: BootstrapOptions
) -> str:
    """What a judgment depends on besides the prior."""
    from faceleak.work.tasks import code_version, fingerprint

    people = public[["sha256", "identity", "part"]]
    size = options.training.image_size
    parts = (features.network_hash(), people, size, options.samples, bootstrap)
    return fingerprint(code_version(__name__), *parts)


def judge_samples(
    prior: TrainedPrior,
    features: Backbone,
    public: pd.DataFrame,
    options: PriorTrainingOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> dict[str, float]:
    """KID of a prior's samples to held-out public faces, with its interval, and whether samples copy training faces.

    Embeddings are scaled to length √d, so that the kernel is (cosine + 1)³ whatever the backbone.
    """
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.copying import measure_copying, nearest_rows
    from faceleak.metrics.kid import kid, on_sphere

    training, held_out = _embeddings(public, "training"), _embeddings(public, "held_out")
    people = public.loc[public["part"] == "held_out", "identity"].to_numpy()
    samples = embed_pixels(features, prior.samples(options.samples, SAMPLE_SEED), compute)
    distance = kid(on_sphere(samples), on_sphere(held_out), bootstrap, reference_people=people)
    copying = measure_copying(nearest_rows(samples, training)[1], nearest_rows(held_out, training)[1])
    return distance.named(f"kid_by_{options.features_name}") | copying


def _embeddings(public: pd.DataFrame, part: str) -> NDArray[np.float32]:
    return np.stack(public.loc[public["part"] == part, "embedding"].to_list())


def _save_sheet(prior: TrainedPrior, images_shown: int, path: Path) -> None:
    from faceleak.reporting.galleries import SHEET, samples_sheet
    from faceleak.work.tasks import writing

    if path.exists():
        return
    with writing(path) as partial:
        samples_sheet(prior.samples(SHEET, SAMPLE_SEED), images_shown).savefig(partial, format="png")


def measure_prior(history: pd.DataFrame) -> dict[str, float]:
    """What was measured after the last round."""
    return {str(name): float(value) for name, value in history.iloc[-1].items()}


def draw_prior(
    prior: TrainedPrior,
    features: Backbone,
    public: pd.DataFrame,
    store: FaceStore,
    options: PriorTrainingOptions,
    compute: ComputeOptions,
) -> Figure:
    """Samples, each beside the training face that it resembles most, and the same for held-out people."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.copying import nearest_rows
    from faceleak.reporting.galleries import FaceBesideNearest, nearest_faces_sheet

    size = options.training.image_size
    training = public[public["part"] == "training"]
    held_out = public[public["part"] == "held_out"].drop_duplicates("identity")
    pixels = prior.samples(options.samples, SAMPLE_SEED)
    real = store.images(store.positions(held_out["image_id"]), size)

    def beside(faces: NDArray[np.uint8], embeddings: NDArray[np.float32]) -> FaceBesideNearest:
        rows, distances = nearest_rows(embeddings, _embeddings(public, "training"))
        nearest = store.images(store.positions(training["image_id"].iloc[rows]), size)
        return FaceBesideNearest(faces, nearest, distances)

    return nearest_faces_sheet(
        beside(pixels, embed_pixels(features, pixels, compute)),
        beside(real, _embeddings(held_out, "held_out")),
        options.features_name,
    )
