"""Copies: images of the same bytes, and near copies, which are the same picture saved again.

A picture is compared by the 16×16 lowest frequencies of its luminance (DCT), of which the constant is left out: the
rest has length 1 and is whitened by the mean and the spread of each frequency over the set, as a perceptual hash does
with its signs. Saving again as JPEG, scaling and a slight crop change little of it; another photo of the same face
changes most of it. Candidates share as many signs as the set's size has binary digits, of one of 64 fixed draws among
the 63 lowest frequencies, as sorting finds them; those whose 255 signs are close are decoded and compared.
`benchmarks.near_copies` measures what is found.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.words import counted, form
from faceleak.faces import counting
from faceleak.faces.counting import NO_KEY, NONE, ROLES, Coded, Rows, Table, keys_of, slices
from faceleak.faces.images import ImageError, decode_gray
from faceleak.faces.options import Role
from faceleak.faces.store import FaceStore
from faceleak.work.compute import available_cores
from faceleak.work.progress import track

LIKENESS = 0.9  # cosine from which on two pictures are near copies: measured, see docs/faces.md
SIDE = 64  # pixels that are decoded at least
FREQUENCIES = 16
NUMBERS = FREQUENCIES**2 - 1
FLAT = 3.0  # gray levels: a picture with less contrast has nothing to compare
SAMPLE = 8192  # images that tell how each frequency varies
PRIOR = 256  # images that the usual decline of frequencies counts for
DECLINE = 1.15  # its exponent: of photos of faces
BANDS, FEWEST_BITS = 64, 12
LOW = 8  # frequencies a side that candidates are found by: the others change more when a picture is saved again
NEIGHBORS = 32  # with the same key, after which no more are looked at
DIFFERENT = 64  # signs of 255 in which a near copy differs at most
CHUNK = 2048  # pairs
EXAMPLES = 5
COLUMNS = [
    "first",
    "first_identity",
    "first_role",
    "second",
    "second_identity",
    "second_role",
    "likeness",
    "same_bytes",
]
LISTED = "copies.csv"

log = logging.getLogger(__name__)
Numbers = NDArray[np.float32]
Pairs = tuple[Rows, Rows, NDArray[np.float64]]


def find_copies(store: FaceStore, splits: Table) -> pd.DataFrame:
    """List pairs of images that have a role and are copies of each other: `COLUMNS`, those across roles first.

    likeness: 1 for the same bytes (`same_bytes`), else the cosine, `LIKENESS` at least. `first` is the one to keep:
    roles come in the order member, same_identity, unseen_identity, auxiliary, public, and within a role the table's
    order decides. Of several images with the same bytes each is paired with the first, which alone has near copies.
    Memory grows by about 100 bytes an image while they are looked for.
    """
    coded = counting.code(splits, True)
    rows = _ordered(coded)
    _, chosen, group = np.unique(coded.content[rows], return_index=True, return_inverse=True)
    repeated = np.flatnonzero(chosen[group] != np.arange(len(rows)))
    exact = rows[chosen[group[repeated]]], rows[repeated]
    unique = rows[np.sort(chosen)]
    near = _near(store, unique, _places(store, coded.image[unique]))
    first, second = (np.concatenate([exact[side], near[side]]) for side in range(2))
    likeness = np.concatenate([np.ones(len(repeated)), near[2]])
    table = _named(splits, first, second, likeness, np.arange(len(first)) < len(repeated))
    across = (table["first_role"] != table["second_role"]).to_numpy(bool)
    return table.iloc[np.lexsort((-table["likeness"], ~across))].reset_index(drop=True)


def warn_of_copies(copies: pd.DataFrame) -> None:
    """Tell how many copies there are, and show some."""
    if copies.empty:
        return
    across = int((copies["first_role"] != copies["second_role"]).sum())
    log.warning(
        "%d pairs of images are copies of each other, %d of them across roles: %s. All are in %s.",
        *(len(copies), across, shown(copies), LISTED),
    )


def shown(copies: pd.DataFrame) -> str:
    """The first pairs in words, the image that is to be kept before its copy."""
    pairs = [
        f"{row.first} ({row.first_role}) and {row.second} ({row.second_role}), "
        f"{'same bytes' if row.same_bytes else f'likeness {row.likeness:.2f}'}"
        for row in copies.head(EXAMPLES).itertuples()
    ]
    return "; ".join(pairs) + "; …" * (len(copies) > EXAMPLES)


def without_copies(splits: pd.DataFrame, copies: pd.DataFrame) -> pd.DataFrame:
    """Leave out all but one of the images that are copies of each other, directly or through others.

    The one that stays has the first role of member, same_identity, unseen_identity, auxiliary, public: no role of an
    image changes, and nobody who was not trained on keeps a copy of a member's image.
    """
    order = {image: place for place, image in enumerate(_in_order(copies))}
    kept = dict(zip(order, order, strict=True))  # image → the one that it is a copy of, itself in the end

    def root(image: str) -> str:
        while kept[image] != image:
            image = kept[image]
        return image

    for first, second in zip(copies["first"], copies["second"], strict=True):
        stays, goes = sorted((root(first), root(second)), key=order.__getitem__)
        kept[goes] = stays
    dropped = [image for image in order if root(image) != image]
    if dropped:
        log.warning(
            "faces.duplicates is `drop`: %s left out, of which a copy stays in the same or a more important role.",
            f"{counted(len(dropped), 'image')} {form(len(dropped), 'was', 'were')}",
        )
    return splits[~splits["image_id"].isin(dropped)].reset_index(drop=True)


def _in_order(copies: pd.DataFrame) -> list[str]:
    sides = [copies[[side, f"{side}_role"]].set_axis(["image", "role"], axis=1) for side in ("first", "second")]
    images = pd.concat(sides).drop_duplicates("image")
    rank = images["role"].map(get_args(Role).index)
    return images.assign(rank=rank).sort_values(["rank", "image"])["image"].tolist()


def _ordered(coded: Coded) -> Rows:
    """The first row of each image that has a role and a hash, more important roles first."""
    _, first = np.unique(coded.image, return_index=True)
    usable = (coded.role[first] < ROLES.index("unknown")) & (coded.content[first] != NO_KEY)
    rows = np.sort(first[usable]).astype(np.int32)
    return rows[np.argsort(coded.role[rows], kind="stable")]


def _places(store: FaceStore, images: NDArray[np.uint64]) -> Rows:
    """Row of each image in the store, `NONE` if it is not there."""
    parts = [keys_of(store.part(number, ["image_id"])["image_id"]) for number in range(store.parts)]
    return counting.find(images, np.concatenate([np.empty(0, np.uint64), *parts]))


def _named(
    splits: Table, first: Rows, second: Rows, likeness: NDArray[np.float64], same: NDArray[np.bool_]
) -> pd.DataFrame:
    names = ["image_id", "identity", "role"]
    wanted = np.unique(np.concatenate([first, second]))
    parts, start = [], 0
    for part in slices(splits, names):
        here = wanted[(wanted >= start) & (wanted < start + len(part))]
        parts.append(part.iloc[here - start].set_axis(here))
        start += len(part)
    named = pd.concat(parts) if parts else pd.DataFrame(columns=names)
    columns = [named.loc[side.tolist(), name].to_numpy() for side in (first, second) for name in names]
    return pd.DataFrame(dict(zip(COLUMNS, [*columns, likeness, same], strict=True)))


def _near(store: FaceStore, rows: Rows, places: Rows) -> Pairs:
    """Pairs of `rows` whose images, at `places` in the store, are near copies."""
    there = places != NONE
    rows, places = rows[there], places[there]
    sample = places[np.linspace(0, len(places) - 1, min(SAMPLE, len(places))).astype(np.int64)]
    whitening = Whitening.of(frequencies_at(store, sample))
    signs = np.zeros((len(places), FREQUENCIES**2 // 64), np.uint64)
    flat = np.zeros(len(places), bool)
    order = np.argsort(places)
    groups = np.array_split(order, max(1, len(order) // 1024))
    with ThreadPoolExecutor(available_cores()) as threads:
        read = threads.map(lambda group: frequencies_at(store, places[group]), groups)
        for group, numbers in zip(groups, track(read, "Looking for copies", len(groups), "parts"), strict=True):
            flat[group], signs[group] = ~numbers.any(axis=1), whitening.signs(numbers)
    usable = np.flatnonzero(~flat).astype(np.int32)
    found = usable[candidates(signs[usable])]
    likeness = np.array([value for chunk in _chunks(found) for value in _likeness(store, places[chunk], whitening)])
    near = likeness >= LIKENESS
    first, second = rows[np.sort(found[near], axis=1)].T
    return first, second, likeness[near].astype(np.float64)


def _chunks(pairs: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
    yield from (pairs[start : start + CHUNK] for start in range(0, len(pairs), CHUNK))


def _likeness(store: FaceStore, pairs: NDArray[np.int32], whitening: "Whitening") -> Numbers:
    places, inverse = np.unique(pairs, return_inverse=True)
    white = whitening(frequencies_at(store, places))
    likeness: Numbers = np.einsum("pk,pk->p", *white[inverse.reshape(pairs.shape)].swapaxes(0, 1))
    return likeness


def frequencies_at(store: FaceStore, places: NDArray[np.integer]) -> Numbers:
    """Frequencies (n, `NUMBERS`) of images of a store, of length 1; 0 if there is nothing to compare."""
    return np.array([frequencies_of(store.jpeg(int(place))) for place in places], np.float32).reshape(-1, NUMBERS)


def frequencies_of(jpeg: bytes) -> Numbers:
    """The lowest frequencies of a picture (`NUMBERS`), of length 1; 0 for a flat or damaged one."""
    try:
        gray = decode_gray(jpeg, SIDE).astype(np.float32)
    except ImageError:
        return np.zeros(NUMBERS, np.float32)
    numbers = (_waves(gray.shape[0]) @ gray @ _waves(gray.shape[1]).T).ravel()[1:]
    length = np.linalg.norm(numbers)
    return (numbers / length if length >= FLAT else np.zeros(NUMBERS)).astype(np.float32)


@lru_cache(maxsize=64)
def _waves(side: int) -> Numbers:
    """Half waves (`FREQUENCIES`, side); their means over a picture are gray levels."""
    angle = np.pi * np.outer(np.arange(FREQUENCIES), np.arange(side) + 0.5) / side
    scale = np.where(np.arange(FREQUENCIES) == 0, 1.0, np.sqrt(2.0))[:, None] / side
    return (scale * np.cos(angle)).astype(np.float32)


@dataclass(frozen=True)
class Whitening:
    """How each frequency is distributed; `PRIOR` images with a mean of 0 and the usual decline count as well."""

    mean: Numbers
    spread: Numbers

    @classmethod
    def of(cls, numbers: Numbers) -> "Whitening":
        """From a sample of pictures."""
        sample = numbers[numbers.any(axis=1)].astype(np.float64)
        usual = _frequency() ** -DECLINE
        usual /= np.linalg.norm(usual)
        mean = sample.sum(axis=0) / (len(sample) + PRIOR)
        variance = (((sample - mean) ** 2).sum(axis=0) + PRIOR * usual**2) / (len(sample) + PRIOR)
        return cls(mean.astype(np.float32), np.sqrt(variance).astype(np.float32))

    def __call__(self, numbers: Numbers) -> Numbers:
        """Whitened frequencies, of length 1."""
        white = (numbers - self.mean) / self.spread
        whitened: Numbers = white / np.linalg.norm(white, axis=1, keepdims=True)
        return whitened

    def signs(self, numbers: Numbers) -> NDArray[np.uint64]:
        """One bit a frequency, above the mean or not: (n, 4) words."""
        bits = np.packbits(np.pad(numbers > self.mean, ((0, 0), (0, 1))), axis=1)
        return bits.view(np.uint64)


def _frequency() -> NDArray[np.float64]:
    row, column = np.divmod(np.arange(1, FREQUENCIES**2), FREQUENCIES)
    frequency: NDArray[np.float64] = np.hypot(row, column)
    return frequency


def candidates(signs: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Pairs (m, 2) of rows, the smaller first, that may be near copies: sorting finds them, not comparing all."""
    bits = max(FEWEST_BITS, len(signs).bit_length())  # so that few of a set share a key, however large it is
    row, column = np.divmod(np.arange(1, NUMBERS + 1), FREQUENCIES)
    low = np.flatnonzero((row < LOW) & (column < LOW))
    random, octets = np.random.default_rng(0), signs.view(np.uint8)
    found = np.empty(0, np.int64)
    for _ in range(BANDS):
        keys = np.zeros(len(signs), np.uint32)
        for bit in random.choice(low, bits, replace=False):
            keys = keys << np.uint32(1) | (octets[:, bit // 8] >> np.uint8(7 - bit % 8)) & np.uint8(1)
        order = np.argsort(keys, kind="stable")
        found = np.union1d(found, np.concatenate(list(_neighbors(keys[order], order, signs))))
    return np.stack(np.divmod(found, max(1, len(signs))), axis=1).astype(np.int32)


def _neighbors(
    keys: NDArray[np.uint32], order: NDArray[np.int64], signs: NDArray[np.uint64]
) -> Iterator[NDArray[np.int64]]:
    """Numbers of pairs with the same key and close signs."""
    here = np.arange(len(keys))
    yield np.empty(0, np.int64)
    for distance in range(1, NEIGHBORS + 1):
        here = here[here + distance < len(keys)]
        here = here[keys[here] == keys[here + distance]]
        if not len(here):
            return
        first, second = order[here], order[here + distance]
        close = np.bitwise_count(signs[first] ^ signs[second]).sum(axis=1) <= DIFFERENT
        yield np.minimum(first, second)[close] * len(signs) + np.maximum(first, second)[close]
