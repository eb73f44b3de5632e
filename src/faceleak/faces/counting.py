"""Tables of any length, read a slice at a time, and counts of ids, contents and people that their images share.

Counts are made on integers, by sorting: an image takes about 100 bytes while it is counted, whatever its
names are made of.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.faces.options import Role

Table = pd.DataFrame | Path
Keys = NDArray[np.uint64]

ROWS_PER_SLICE = 1 << 18
NO_KEY = 0
Rows = NDArray[np.int32]
Counts = NDArray[np.uint32]
NONE = -1  # no row
ROLES = [*get_args(Role), "unknown"]
NO_ROLE = len(ROLES)
GROUP_OF_ROLE = np.array(
    [ROLES.index("member") if role == "same_identity" else place for place, role in enumerate(ROLES)], np.uint8
)
COMPARED = [ROLES.index("member"), ROLES.index("unseen_identity")]
SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing


def slices(table: Table, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Yield the named columns in slices of `ROWS_PER_SLICE` rows; a Parquet file is never read as a whole."""
    if isinstance(table, pd.DataFrame):
        for start in range(0, len(table), ROWS_PER_SLICE):
            yield table.iloc[start : start + ROWS_PER_SLICE][list(columns)]
        return
    import pyarrow.parquet as pq

    with pq.ParquetFile(table) as file:
        for batch in file.iter_batches(ROWS_PER_SLICE, columns=list(columns)):
            yield batch.to_pandas()


def columns_of(table: Table) -> list[str]:
    """Names of the columns."""
    if isinstance(table, pd.DataFrame):
        return list(table.columns)
    import pyarrow.parquet as pq

    return list(pq.read_schema(table).names)


def keys_of(texts: "pd.Series[str]") -> Keys:
    """Make a 64-bit number of each text (SipHash), `NO_KEY` of a missing one.

    Two different texts out of n have the same number with a probability of n² / 2⁶⁵: one in a million for 5.8 million.
    """
    keys: Keys = pd.util.hash_array(texts.astype("str").array, categorize=False)
    keys[texts.isna().to_numpy()] = NO_KEY
    return keys


@dataclass(frozen=True)
class Coded:
    """A table as numbers, a row an image: keys of image_id, identity and sha256; of splits, also role and known.

    role: place in `ROLES`, or `NO_ROLE`. known: 1 no, 2 yes, 0 not stated.
    """

    image: Keys
    person: Keys
    content: Keys
    role: NDArray[np.uint8]
    known: NDArray[np.uint8]

    def take(self, rows: Rows) -> "Coded":
        """The given rows; an empty one for each `NONE`."""
        columns = zip(self._columns(), (NO_KEY, NO_KEY, NO_KEY, NO_ROLE, 0), strict=True)
        return Coded(*(np.append(column, column.dtype.type(empty))[rows] for column, empty in columns))

    def _columns(self) -> tuple[NDArray[Any], ...]:
        return self.image, self.person, self.content, self.role, self.known


def code(table: Table, has_roles: bool) -> Coded:
    """Read a table once, a slice at a time."""
    names = ["image_id", "identity", "sha256", *(("role", "known") if has_roles else ())]
    parts = [_code_part(part) for part in slices(table, names)]
    empty = (np.empty(0, np.uint64),) * 3 + (np.empty(0, np.uint8),) * 2
    return Coded(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))


def _code_part(part: pd.DataFrame) -> tuple[NDArray[Any], ...]:
    keys = tuple(keys_of(part[name]) for name in ("image_id", "identity", "sha256"))
    if "role" not in part:
        return *keys, np.full(len(part), NO_ROLE, np.uint8), np.zeros(len(part), np.uint8)
    role = pd.Index(ROLES).get_indexer(part["role"])
    role[role == NONE] = ROLES.index("unknown")
    role[part["role"].isna().to_numpy()] = NO_ROLE
    known = part["known"].map({False: 1, True: 2}).fillna(0)
    return *keys, role.astype(np.uint8), known.to_numpy(np.uint8)


def find(wanted: Keys, among: Keys) -> Rows:
    """First row of each wanted key in `among`, `NONE` if it is not there or is no key."""
    if not len(among):
        return np.full(len(wanted), NONE, np.int32)
    order = np.argsort(among, kind="stable").astype(np.int32)
    place = np.searchsorted(among, wanted, sorter=order)
    rows = order[np.minimum(place, len(among) - 1)]
    rows[(among[rows] != wanted) | (wanted == NO_KEY)] = NONE
    return rows


@dataclass(frozen=True)
class Joined:
    """Manifest and splits as one table, a row an image.

    `manifest` and `splits` are its rows in each, or `NONE`. The manifest's rows come first, each with the first row
    of the splits with its image_id. Then come the rows of the splits that are left: those of other images, and repeated
    ones. `images` are told by the manifest, their roles by the splits; `agree`: whether neither contradicts the other.
    """

    manifest: Rows
    splits: Rows
    images: Coded
    agree: NDArray[np.bool_]


def join(manifest: Coded, splits: Coded) -> Joined:
    """Put the rows of both tables side by side."""
    in_splits, in_manifest = find(manifest.image, splits.image), find(splits.image, manifest.image)
    is_left = np.ones(len(splits.image), bool)
    is_left[in_splits[in_splits != NONE]] = False
    left = np.flatnonzero(is_left).astype(np.int32)
    of_manifest = np.concatenate([np.arange(len(manifest.image), dtype=np.int32), in_manifest[left]])
    of_splits = np.concatenate([in_splits, left])
    here, theirs = manifest.take(of_manifest), splits.take(of_splits)
    same = (here.person == theirs.person) & (here.content == theirs.content)
    agree = (of_manifest != NONE) & (same | (of_splits == NONE))
    for own, other in ((here.image, theirs.image), (here.person, theirs.person), (here.content, theirs.content)):
        np.copyto(own, other, where=of_manifest == NONE)
    images = Coded(here.image, here.person, here.content, theirs.role, theirs.known)
    return Joined(of_manifest, of_splits, images, agree)


def count_shared(images: Coded) -> dict[str, Counts]:
    """Count, for each image that has a role, what is shared by its hash and by its person; 0 for the others."""
    here = np.flatnonzero(images.role != NO_ROLE).astype(np.int32)
    chosen = images.take(here)
    group = GROUP_OF_ROLE[chosen.role]
    compared = np.where(np.isin(group, COMPARED), chosen.person, np.uint64(NO_KEY))
    found = {
        "roles_of_image": number_of_values(chosen.role, chosen.content),
        "copies_in_role": number_of_rows(pair(chosen.content, chosen.role)),
        "disjointness_groups_of_identity": number_of_values(group, chosen.person),
        "known_flags_of_identity": number_of_values(chosen.known, chosen.person),
        "images_of_identity": number_of_contents(chosen.content, pair(compared, group)),
    }
    counts = {name: np.zeros(len(images.role), np.uint32) for name in found}
    for name, values in found.items():
        counts[name][here] = values
    return counts


def number_of_values(values: NDArray[np.integer], keys: Keys) -> Counts:
    """How many different values (each 0 … 7) go with the key of each row; 0 if it has no key."""
    groups, group = np.unique(keys, return_inverse=True)
    seen = np.zeros(len(groups), np.uint8)
    np.bitwise_or.at(seen, group, np.uint8(1) << values.astype(np.uint8))
    return _known(np.bitwise_count(seen)[group], keys)


def number_of_rows(keys: Keys) -> Counts:
    """How many rows have the key of each row; 0 if it has no key."""
    _, group, size = np.unique(keys, return_inverse=True, return_counts=True)
    return _known(size.astype(np.uint32)[group], keys)


def number_of_contents(contents: Keys, keys: Keys) -> Counts:
    """How many different contents go with the key of each row; 0 if it has no key."""
    _, group = np.unique(keys, return_inverse=True)
    _, first = np.unique(pair(contents, keys), return_index=True)
    first = first[contents[first] != NO_KEY]
    size = np.bincount(group[first], minlength=int(group.max(initial=0)) + 1).astype(np.uint32)
    return _known(size[group], keys)


def pair(keys: Keys, others: NDArray[np.integer]) -> Keys:
    """A key for each pair of a key and another number; no key if the key is none."""
    paired = (others.astype(np.uint64) + np.uint64(1)) * SPREAD + keys
    paired[keys == NO_KEY] = NO_KEY
    return paired


def _known(counts: NDArray[np.integer], keys: Keys) -> Counts:
    return np.where(keys == NO_KEY, 0, counts).astype(np.uint32)
