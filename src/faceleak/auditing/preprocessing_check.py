"""Is a backbone fed as it was trained? Verification by the declared preprocessing against that by the usual mistakes.

A wrong color order or scale rarely fails: it costs accuracy, and moves the inputs of the BN layers that signals read.
So does a wrong eps of these layers, which no weights file holds: where it is assumed, the usual ones are tried as well.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from faceleak.backbones.architectures import assumes_eps
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import batch_norms, with_eps
from faceleak.backbones.card import Preprocessing
from faceleak.backbones.embedding import NotFiniteError, read_faces
from faceleak.common.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.metrics.intervals import Interval
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import BoolArray, FloatArray
from faceleak.metrics.verification import (
    cosine_similarities,
    verification_auc_differences,
    verification_auc_interval,
)
from faceleak.work.compute import ComputeOptions

DECLARED = "as declared"
CROPPED, CROPPED_SHARE = "center crop of 80 %", 0.8
SCALES: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {  # mean and std of 0…1
    "0…1": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "mean 0.5, std 0.5": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "ImageNet mean and std": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "(0…255 − 127.5) / 128": ((0.5, 0.5, 0.5), (128 / 255, 128 / 255, 128 / 255)),
    "0…255": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
}
EPS, USUAL_EPS = "BN eps", (1e-5, 2e-5, 1e-3)  # of PyTorch, of InsightFace's MXNet, of TensorFlow
CLEARLY_BETTER = 0.005  # of AUC: less is not worth a warning, however sure it is


class PreprocessingCheckError(FaceleakError):
    """The pairs do not belong together."""


@dataclass(frozen=True)
class PreprocessingCheck:
    """table: a row a way to feed the backbone, the declared one first; warnings: in words, the worst first.

    Columns: name, `verification_auc` and `difference` to the declared way, each with `_ci_low` and `_ci_high`; NaN
    where the embeddings are not finite.
    """

    table: pd.DataFrame
    warnings: list[str]


def check_preprocessing(
    backbone: Backbone,
    store: FaceStore,
    first: NDArray[Any],
    second: NDArray[Any],
    same_person: BoolArray,
    compute: ComputeOptions,
    bootstrap: BootstrapOptions,
    maximum_images: int = 1000,
) -> PreprocessingCheck:
    """Verify by the declared preprocessing and by others, with intervals over people.

    first and second: image_ids (pairs,); same_person: (pairs,). Where the pairs show more than `maximum_images` images,
    a part of them is used: each image is embedded once for every way.
    Raises PreprocessingCheckError where the arrays misfit, MetricError below ten people or with one kind of pair only.
    """
    if not (len(first) == len(second) == len(same_person)):
        raise PreprocessingCheckError(
            f"{len(first)} first images, {len(second)} second images and {len(same_person)} labels are no list of "
            "pairs: give one of each a pair."
        )
    chosen = _bounded(first, second, same_person, maximum_images, bootstrap.seed)
    first, second, same_person = first[chosen], second[chosen], same_person[chosen]
    images, indices = np.unique(np.concatenate([first, second]), return_inverse=True)
    people = store.rows(store.positions(images), ["identity"])["identity"].to_numpy()
    one, other = np.split(indices, 2)

    ways = ways_to_feed(backbone)
    similarities = {}
    for name, way in ways.items():
        try:
            embeddings = _embed(backbone, way, store, images, compute)
        except NotFiniteError:
            if name == DECLARED:
                raise
            continue
        similarities[name] = cosine_similarities(embeddings, one, other)
    table = _table(similarities, same_person, people[one], people[other], bootstrap)
    complete = table.reindex(list(ways)).reset_index()
    return PreprocessingCheck(complete, warn(complete))


@dataclass(frozen=True)
class Way:
    """How a backbone is fed: its preprocessing, whether faces are cropped before, and the eps of its BN layers."""

    preprocessing: Preprocessing
    cropped: bool = False
    eps: float | None = None


def ways_to_feed(backbone: Backbone) -> dict[str, Way]:
    """The declared way and the usual others, each of which changes one thing, by the names that the table has."""
    declared = backbone.card.preprocessing
    swapped = "RGB" if declared.color_order == "BGR" else "BGR"
    alternatives = {f"colors as {swapped}": declared.model_copy(update={"color_order": swapped})}
    for name, (mean, std) in SCALES.items():
        alternatives[name] = declared.model_copy(update={"mean": mean, "std": std})
    different = {name: Way(alternative) for name, alternative in alternatives.items() if alternative != declared}
    ways = {DECLARED: Way(declared), **different, CROPPED: Way(declared, cropped=True)}
    if assumes_eps(backbone.card):
        own = {layer.eps for layer in batch_norms(backbone.net).values()}
        ways |= {f"{EPS} {eps:g}": Way(declared, eps=eps) for eps in USUAL_EPS if own and own != {eps}}
    return ways


def _embed(
    backbone: Backbone,
    way: Way,
    store: FaceStore,
    images: NDArray[Any],
    compute: ComputeOptions,
) -> NDArray[np.float32]:
    fed = Backbone(backbone.net, backbone.card.model_copy(update={"preprocessing": way.preprocessing}))
    with with_eps(backbone.net, lambda eps: way.eps or eps):
        return read_faces(
            lambda net, faces: net(_center(faces) if way.cropped else faces), fed, store, images, compute, "Embedding"
        )


def _center(faces: Tensor) -> Tensor:
    height, width = faces.shape[-2:]
    top, left = (round(size * (1 - CROPPED_SHARE) / 2) for size in (height, width))
    return faces[..., top : height - top, left : width - left]


def _bounded(
    first: NDArray[Any], second: NDArray[Any], same_person: BoolArray, maximum_images: int, seed: int
) -> NDArray[np.intp]:
    """Positions of all pairs among at most `maximum_images` images, genuine and impostor pairs in turn."""
    random = np.random.default_rng(seed)
    kinds = [random.permutation(np.flatnonzero(same_person == kind)) for kind in (True, False)]
    turns = np.argsort(np.concatenate([np.arange(len(kind)) for kind in kinds]), kind="stable")
    order = np.concatenate(kinds)[turns]
    in_turn = np.stack([first[order], second[order]], axis=1).reshape(-1)  # images as they come
    _, appears = np.unique(in_turn, return_index=True)
    chosen = in_turn[np.sort(appears)[:maximum_images]]
    return np.flatnonzero(np.isin(first, chosen) & np.isin(second, chosen))


def _table(
    similarities: dict[str, FloatArray],
    same_person: BoolArray,
    first_people: NDArray[Any],
    second_people: NDArray[Any],
    bootstrap: BootstrapOptions,
) -> pd.DataFrame:
    others = {name: values for name, values in similarities.items() if name != DECLARED}
    differences = {DECLARED: Interval(0.0, 0.0, 0.0)} | verification_auc_differences(
        same_person, similarities[DECLARED], others, first_people, second_people, bootstrap
    )
    rows = {
        name: verification_auc_interval(same_person, values, first_people, second_people, bootstrap).named(
            "verification_auc"
        )
        | differences[name].named("difference")
        for name, values in similarities.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("name")


def warn(table: pd.DataFrame) -> list[str]:
    """What is better than the declared way, in words, by a table as `PreprocessingCheck` has it; the worst first."""
    table = table.set_index("name")
    better = table[(table["difference"] > CLEARLY_BETTER) & (table["difference_ci_low"] > 0)]
    declared = table["verification_auc"][DECLARED]
    return [
        f"Faces fed another way ({name}) verify clearly better than as the card declares: AUC "
        f"{row['verification_auc']:.3f} against {declared:.3f}, a difference of {row['difference']:+.3f} "
        f"({row['difference_ci_low']:+.3f} to {row['difference_ci_high']:+.3f}). {_remedy(str(name))}"
        for name, row in better.sort_values("difference", ascending=False).iterrows()
    ]


def _remedy(better: str) -> str:
    if better.startswith(EPS):
        eps = better.removeprefix(EPS).strip()
        return f"The eps that is assumed is probably not that of the training: set target.load.bn_eps to {eps}."
    return (
        "The declared preprocessing is probably not that of the training, and signals would be read off the wrong "
        "input: correct it, or align the faces."
    )
