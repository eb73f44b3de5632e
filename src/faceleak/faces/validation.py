"""Validation: checks of images, manifest and splits before anything is computed from them.

Images are known to be readable by their hash if that suffices, else by decoding. Manifest and splits are read twice, a
slice at a time: once to count on integers what images share, once for Great Expectations, which evaluates the suite
`expectations.yml` on slices of one table, a row an image.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.common.errors import FaceleakError, kedro_run
from faceleak.common.words import counted
from faceleak.faces import counting
from faceleak.faces.copies import LISTED, find_copies, shown, warn_of_copies
from faceleak.faces.counting import NO_ROLE, NONE, Coded, Counts, Keys, Table, columns_of, keys_of, slices
from faceleak.faces.images import ImageError, decode_jpeg
from faceleak.faces.options import Role, ValidationOptions
from faceleak.faces.store import FaceStore, sha256_of
from faceleak.work.compute import available_cores
from faceleak.work.progress import track

if TYPE_CHECKING:
    from great_expectations.datasource.fluent.pandas_datasource import DataFrameAsset

MANIFEST_COLUMNS = ["image_id", "identity", "sha256", "width", "height"]
ROLE_NAMES = np.array([*counting.ROLES, None], object)
SUITE = Path(__file__).with_name("expectations.yml")
EXAMPLES = 5
Entry = dict[str, Any]


class FacesValidationError(FaceleakError):
    """Images, manifest or splits are not as expected; `result` is that of `examine`."""

    def __init__(self, message: str, result: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.result = result or {}


@dataclass(frozen=True)
class Soundness:
    """`sound`: whether the image of each row can be read; `decoded`: how many were decoded to find out."""

    sound: NDArray[np.bool_]
    decoded: int


class Texts(NamedTuple):
    """What an expectation says, what the images that break it have in common, and what to do about them."""

    expected: str
    offenders: str
    remedy: str


def validate(store: FaceStore, manifest: Table, splits: Table, options: ValidationOptions) -> dict[str, Any]:
    """Look for copies and `examine`; raise FacesValidationError, which carries the result, if something is wrong."""
    copies = find_copies(store, splits)
    warn_of_copies(copies)
    result = examine(store, manifest, splits, copies, options)
    require_success(result)
    return result


def require_success(result: dict[str, Any]) -> None:
    """Raise FacesValidationError unless all expectations hold; `result` is that of `examine`."""
    if not result["success"]:
        raise FacesValidationError(result["message"], result)


def examine(
    store: FaceStore, manifest: Table, splits: Table, copies: pd.DataFrame, options: ValidationOptions
) -> dict[str, Any]:
    """Check that the images are usable and that the splits keep apart what must be apart.

    manifest and splits are tables or Parquet files, which are never read as a whole. copies: as `copies.find_copies`
    lists them.

    Returns success, message (what is wrong and what to do), rows, images, decided_by, and expectations: one entry each
    with name, type, column, severity, expected, success, unexpected_count and examples (image ids, 5 at most). An
    expectation of severity `info` is counted and never fails: the same image twice within one role makes
    numbers a little less certain, not wrong. Images without a role are left out of all that is about roles. `images`:
    how many have the hash with which they were packed, and how many were decoded (`soundness.check_images`).
    `decided_by`: how many roles are stated by the `user`, and how many come from a `draw`.
    """
    soundness = check_images(store)
    images = _Images(store, soundness, manifest, splits, copies)
    found = evaluate(images.tables(), options)
    success = all(entry["success"] for entry in found)
    return {
        "success": success,
        "message": "" if success else _message(found, texts(options), len(images), copies),
        "rows": len(images),
        "images": {"same_hash": len(store) - soundness.decoded, "decoded": soundness.decoded},
        "decided_by": _decided_by(splits),
        "expectations": found,
    }


class _Images:
    """Manifest and splits as one table, a row an image, with what images share."""

    def __init__(
        self, store: FaceStore, soundness: Soundness, manifest: Table, splits: Table, copies: pd.DataFrame
    ) -> None:
        self._tables = manifest, splits
        joined = counting.join(counting.code(manifest, False), counting.code(splits, True))
        self._splits, self._role = joined.splits, joined.images.role
        self._flags = {
            "decodable": _readable(store, soundness, joined.images.image),
            "in_manifest": joined.agree,
        }
        self._counts = {
            "rows_of_image_id": counting.number_of_rows(joined.images.image),
            **counting.count_shared(joined.images),
            **_count_near(joined.images, copies[~copies["same_bytes"].astype(bool)]),
        }

    def __len__(self) -> int:
        return len(self._role)

    def tables(self) -> Iterator[pd.DataFrame]:
        """Yield what the expectations look at: the manifest's rows, then those that only the splits have."""
        manifest, splits = self._tables
        start = 0
        for part in slices(manifest, MANIFEST_COLUMNS):
            yield self._completed(part, np.arange(start, start + len(part)))
            start += len(part)
        left, first = self._splits[start:], 0
        for part in slices(splits, MANIFEST_COLUMNS[:3]):
            rows = start + np.flatnonzero((left >= first) & (left < first + len(part)))
            if len(rows):
                own = part.iloc[self._splits[rows] - first].assign(width=np.nan, height=np.nan)
                yield self._completed(own, rows)
            first += len(part)

    def _completed(self, part: pd.DataFrame, rows: NDArray[np.intp]) -> pd.DataFrame:
        counts = {name: _or_missing(values[rows]) for name, values in self._counts.items()}
        flags = {name: values[rows] for name, values in self._flags.items()}
        return part.reset_index(drop=True).assign(role=ROLE_NAMES[self._role[rows]], **flags, **counts)


def _count_near(images: Coded, near: pd.DataFrame) -> dict[str, Counts]:
    """Count, for each image that has a role, the roles and the images of that role that its picture is in."""
    first, second = (counting.find(keys_of(near[side]), images.image) for side in ("first", "second"))
    has_role = images.role != NO_ROLE
    there = (first != NONE) & (second != NONE) & has_role[first] & has_role[second]
    first, second = first[there], second[there]
    across = images.role[first] != images.role[second]
    roles, within = has_role.astype(np.uint32), has_role.astype(np.uint32)
    for side in (first, second):
        roles[side[across]] = 2
        np.add.at(within, side[~across], 1)
    return {"roles_of_picture": roles, "pictures_in_role": within}


def _or_missing(counts: Counts) -> NDArray[np.float64]:
    return np.where(counts == 0, np.nan, counts)


def _readable(store: FaceStore, soundness: Soundness, images: Keys) -> NDArray[np.bool_]:
    parts = [keys_of(store.part(number, ["image_id"])["image_id"]) for number in range(store.parts)]
    row = counting.find(images, np.concatenate([np.empty(0, np.uint64), *parts]))
    found: NDArray[np.bool_] = row != NONE
    found[found] = soundness.sound[row[found]]
    return found


def _decided_by(splits: Table) -> dict[str, int]:
    if "decided_by" not in columns_of(splits):
        return {}
    counts: Counter[str] = Counter()
    for part in slices(splits, ["decided_by"]):
        counts.update(part["decided_by"].dropna().tolist())
    return dict(counts)


def _message(found: list[Entry], in_words: dict[str, Texts], rows: int, copies: pd.DataFrame) -> str:
    failed = [_line(entry, in_words[entry["name"]]) for entry in found if not entry["success"]]
    across = copies[copies["first_role"] != copies["second_role"]]
    pairs = (
        f"\nCopies across roles, the image to keep first: {shown(across)}. {counted(len(across), 'pair')} of them in "
        f"{LISTED}."
    )
    return (
        f"The faces are not fit for an audit, so nothing was computed from them. {len(failed)} of {len(found)} "
        f"expectations failed on {rows} images:\n" + "\n".join(failed) + pairs * bool(len(across))
    )


def _line(entry: Entry, said: Texts) -> str:
    count = entry["unexpected_count"]
    examples = ", ".join(entry["examples"]) + (", …" if count > EXAMPLES else "")
    return f"- {said.offenders}: {count} ({examples}). {said.remedy}."


def check_images(store: FaceStore) -> Soundness:
    """Look at all images of a store.

    The bytes of a color JPEG are kept as they came. If they still have the sha256 of the source, they are those
    that were decoded, or encoded here, when they were packed, and are not decoded again. All others are.
    Raises StoreError if a part was altered after it was packed.
    """
    with ThreadPoolExecutor(available_cores()) as threads:
        looks = threads.map(lambda number: np.array(list(_look_at(store, number)), bool), range(store.parts))
        parts = list(track(looks, "Checking images", store.parts, "parts"))
    sound, decoded = np.concatenate(parts).T if parts else np.empty((2, 0), bool)
    return Soundness(sound, int(decoded.sum()))


def _look_at(store: FaceStore, number: int) -> Iterator[tuple[bool, bool]]:
    """For each image of a part: whether it is sound, whether it was decoded."""
    store.verify(number)
    hashes = store.part(number, ["sha256"])["sha256"]
    for row, expected in zip(hashes.index.tolist(), hashes, strict=True):
        jpeg = store.jpeg(row)
        if sha256_of(jpeg) == expected:
            yield True, False
        else:
            yield _decodes(jpeg), True


def _decodes(jpeg: bytes) -> bool:
    try:
        decode_jpeg(jpeg)
    except ImageError:
        return False
    return True


def texts(options: ValidationOptions) -> dict[str, Texts]:
    """Every expectation in words, by its name."""
    metas = [expectation["meta"] for expectation in _expectations()]
    settings = options.model_dump() | {"run_again": kedro_run("faces")}
    return {meta["name"]: Texts(*(meta[text].format(**settings) for text in Texts._fields)) for meta in metas}


def evaluate(tables: Iterable[pd.DataFrame], options: ValidationOptions) -> list[Entry]:
    """Evaluate the suite on tables that together are the whole, a row an image; one entry an expectation.

    Counts are added up, and the examples are the first ones.
    """
    import great_expectations as gx

    asset = _asset()
    suite = gx.ExpectationSuite("faces", expectations=_expectations())
    entries: dict[str, Entry] = {
        name: {
            "name": name,
            "type": expectation.configuration.type,
            "column": expectation.configuration.kwargs["column"],
            "severity": expectation.severity.value,
            "expected": said.expected,
            "success": True,
            "unexpected_count": 0,
            "examples": [],
        }
        for expectation, (name, said) in zip(suite.expectations, texts(options).items(), strict=True)
    }
    for number, table in enumerate(tables):
        batch = asset.add_batch_definition_whole_dataframe(f"slice {number}").get_batch({"dataframe": table})
        found = batch.validate(
            suite,
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES},
            expectation_parameters={**options.model_dump(), "roles": list(get_args(Role))},
        )
        for result in found.results:
            configuration = result.expectation_config
            assert configuration is not None
            assert configuration.meta is not None
            entry = entries[configuration.meta["name"]]
            rows = result.result["partial_unexpected_index_list"]
            entry["success"] &= bool(result.success)
            entry["unexpected_count"] += int(result.result["unexpected_count"])
            examples = table["image_id"].iloc[rows].fillna("no image_id").tolist()
            entry["examples"] = (entry["examples"] + examples)[:EXAMPLES]
    return list(entries.values())


def _expectations() -> list[dict[str, Any]]:
    import yaml

    expectations: list[dict[str, Any]] = yaml.safe_load(SUITE.read_text(encoding="utf-8"))["expectations"]
    return expectations


def _asset() -> "DataFrameAsset":
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # it sets INFO itself
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset: DataFrameAsset = context.data_sources.add_pandas("faces").add_dataframe_asset("images")
    return asset
