"""How a backbone was fed in its training, tried on pairs of faces: no name or shape of a weight tells it."""

import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from faceleak.auditing.preprocessing_check import (
    CLEARLY_BETTER,
    CROPPED,
    DECLARED,
    check_preprocessing,
    ways_to_feed,
)
from faceleak.backbones.card import Preprocessing
from faceleak.common.words import counted
from faceleak.faces.options import QuarantineOptions
from faceleak.faces.packing import Packing
from faceleak.faces.sources.aligned import AlignedFaces
from faceleak.faces.sources.source import ImageSource, Loss, SourceImage
from faceleak.faces.store import FaceStore
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.networks import seconds_an_image
from faceleak.setup.faces import FoundFaces
from faceleak.work.compute import ComputeOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone

IMAGES_A_PERSON = 4
MOST_PEOPLE, FEWEST_TRIED, FEWEST_PEOPLE = 150, 24, 12  # of whom two images are needed
PAIRS = 10_000
ROUNDS = 3  # after which no more mistakes are looked for
SHOWN = 3


@dataclass(frozen=True)
class Trial:
    """What a backbone recognizes, fed in several ways.

    preprocessing, bn_eps: of the way that is taken. auc: verification AUC by it. told: what was found, in words. alike:
    ways that do as well as far as these faces show. needs_alignment: whether faces that are cut closer do better.
    """

    preprocessing: Preprocessing
    bn_eps: float | None
    auc: float
    told: str
    alike: tuple[str, ...]
    needs_alignment: bool


@dataclass(frozen=True)
class Chosen:
    """Some images of a source, by their numbers."""

    source: ImageSource
    numbers: tuple[int, ...]
    states_roles = False

    def fingerprint(self) -> str:
        return "chosen"

    def __len__(self) -> int:
        return len(self.numbers)

    def read(self, start: int) -> Iterator[SourceImage]:
        wanted = set(self.numbers[start:])
        for number, image in enumerate(islice(self.source.read(0), max(wanted, default=-1) + 1)):
            if number in wanted:
                yield replace(image, stated_role=None)

    def losses(self) -> list[Loss]:
        return []


def try_ways(backbone: "Backbone", faces: FoundFaces, landmarks: Path | None, seconds: float) -> Trial | str:
    """Verify people of a source by the usual preprocessing and by others; if another is clearly better, go on from it.

    seconds: that it may take, about, which decide on how many faces. Returns why nothing was tried, in words, where
    there are too few people with two images.
    """
    numbers = _choose(faces.first)
    if len(numbers) < 2 * FEWEST_PEOPLE:
        return (
            f"not tried, since fewer than {FEWEST_PEOPLE} people have two images among the first {len(faces.first):,}"
        )
    compute = ComputeOptions(workers=1)
    with tempfile.TemporaryDirectory() as folder:
        source: ImageSource = Chosen(faces.source, numbers)
        if landmarks is not None:
            source = AlignedFaces(source, landmarks, compute)
        Packing(source, QuarantineOptions(maximum_share=1), compute).into(Path(folder) / "faces.arrow")
        store = FaceStore(Path(folder) / "faces.arrow")
        return _tried(backbone, store, seconds, compute)


def _choose(first: list[tuple[str, str]]) -> tuple[int, ...]:
    """Numbers of up to `IMAGES_A_PERSON` images of people with two at least, drawn."""
    people = defaultdict(list)
    for number, (_, identity) in enumerate(first):
        if identity:
            people[identity].append(number)
    several = sorted(identity for identity, numbers in people.items() if len(numbers) > 1)
    drawn = np.random.default_rng(0).permutation(len(several))[:MOST_PEOPLE]
    return tuple(sorted(number for place in drawn for number in people[several[place]][:IMAGES_A_PERSON]))


def _tried(backbone: "Backbone", store: FaceStore, seconds: float, compute: ComputeOptions) -> Trial | str:
    from faceleak.metrics.verification import sample_pairs

    manifest = store.manifest()
    several = manifest[manifest.groupby("identity")["identity"].transform("size") > 1]
    if several["identity"].nunique() < FEWEST_PEOPLE:
        return f"not tried, since only {several['identity'].nunique()} people have two images that can be used"
    ways = ways_to_feed(backbone)
    affordable = int(seconds / (seconds_an_image(backbone, compute) * len(ways)))
    people = pd.unique(several["identity"])[: max(FEWEST_TRIED, affordable // IMAGES_A_PERSON)]
    several = several[several["identity"].isin(people)]
    identities, images = several["identity"].to_numpy(), several["image_id"].to_numpy()
    one, other = sample_pairs(identities, PAIRS, 0)
    pairs = images[one], images[other], identities[one] == identities[other]

    corrected: list[str] = []
    for _ in range(ROUNDS):
        table = check_preprocessing(backbone, store, *pairs, compute, BootstrapOptions(resamples=200)).table
        table = table.dropna().set_index("name")
        better = table[(table["difference"] > CLEARLY_BETTER) & (table["difference_ci_low"] > 0)].drop(
            index=CROPPED, errors="ignore"
        )
        if better.empty:
            break
        name = str(better["difference"].idxmax())
        corrected.append(f"{name} in place of what is usual, by {better['difference'].max():+.3f}")
        way = ways_to_feed(backbone)[name]
        backbone = _fed(backbone, way.preprocessing, way.eps or backbone.card.bn_eps)
    return _trial(backbone, table, corrected, len(people), len(images))


def _trial(backbone: "Backbone", table: pd.DataFrame, corrected: list[str], people: int, images: int) -> Trial:
    auc, others = float(table["verification_auc"][DECLARED]), table.drop(index=DECLARED)
    alike = others.drop(index=CROPPED, errors="ignore").query("difference_ci_high >= 0").index
    ranked = others.sort_values("verification_auc", ascending=False)["verification_auc"]
    shown = ", ".join(f"{name} {value:.3f}" for name, value in ranked.head(SHOWN).items())
    taken = f"; taken: {'; '.join(corrected)}" if corrected else ""
    told = f"verification AUC {auc:.3f} on {counted(people, 'person', 'people')}, {images} images; next: {shown}{taken}"
    closer = CROPPED in table.index and table["difference"][CROPPED] > CLEARLY_BETTER
    closer = closer and table["difference_ci_low"][CROPPED] > 0
    card = backbone.card
    return Trial(card.preprocessing, card.bn_eps, auc, told, tuple(alike), bool(closer))


def _fed(backbone: "Backbone", preprocessing: Preprocessing, eps: float | None) -> "Backbone":
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.batch_norm import batch_norms

    if eps is not None:
        for layer in batch_norms(backbone.net).values():
            layer.eps = eps
    return Backbone(
        backbone.net, backbone.card.model_copy(update={"preprocessing": preprocessing, "bn_eps": eps})
    ).eval()
