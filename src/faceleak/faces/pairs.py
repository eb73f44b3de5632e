"""Pairs of images to verify, from a file in the format of LFW's `pairs.txt`.

A first line with the number of folds and of pairs of each kind in a fold; then, for each fold, the genuine pairs
(`name`, number, number) and the impostor pairs (`name`, number, `name`, number), separated by tabs, commas or
semicolons. Image 4 of Abel_Pacheco is the file `Abel_Pacheco_0004.jpg`; if a folder numbers its images in another
way, a `manifest.csv` next to the pairs, with the columns `file` and `source_path`, says which file is which.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import pandas as pd

from faceleak.common.errors import FaceleakError
from faceleak.common.text_tables import TextTableError, read_cells, read_table, slashed

MANIFEST = "manifest.csv"
EXAMPLES = 3


class PairsError(FaceleakError):
    """A file of pairs is missing or damaged, or shows images that are not there."""


def read_pairs(path: Path) -> pd.DataFrame:
    """Read fold (from 1), first, second (`<name>_<4 digits>`) and same_person of each pair. Raises PairsError."""
    try:
        rows = read_cells(path)
    except TextTableError as error:
        raise PairsError(f"{error} Give a file in the format of LFW's pairs.txt.") from error
    folds, of_each_kind = _sizes(rows[0][1] if rows else [], path)
    if len(rows) - 1 != folds * of_each_kind * 2:
        raise PairsError(
            f"{path} announces {folds} folds of {of_each_kind} genuine and {of_each_kind} impostor pairs and has "
            f"{len(rows) - 1} pairs. Get the whole file."
        )
    pairs = [_pair(cells, path, number) for number, cells in rows[1:]]
    for position, (_, _, same_person) in enumerate(pairs):
        if same_person != (position % (2 * of_each_kind) < of_each_kind):
            raise PairsError(
                f"{path}, pair {position + 1}: {'a genuine' if same_person else 'an impostor'} pair stands where "
                "one of the other kind is announced. Each fold lists its genuine pairs first."
            )
    table = pd.DataFrame(pairs, columns=["first", "second", "same_person"])
    table.insert(0, "fold", [position // (2 * of_each_kind) + 1 for position in range(len(pairs))])
    return table


def locate(pairs: pd.DataFrame, image_ids: Iterable[str], path: Path) -> pd.DataFrame:
    """Put image ids in place of the names in `first` and `second`; `path` is the file that the pairs come from.

    Raises PairsError if an image is missing or two have the same name.
    """
    names = _names(path.with_name(MANIFEST))
    known = pd.DataFrame({"image_id": list(image_ids)}, dtype=object)
    known["name"] = [_name_of(image_id, names) for image_id in known["image_id"]]
    wanted = pd.unique(pairs[["first", "second"]].to_numpy().ravel())
    known = known[known["name"].isin(wanted)]
    if repeated := known.loc[known["name"].duplicated(), "name"].tolist():
        raise PairsError(
            f"{len(repeated)} images that {path} shows are there twice ({', '.join(repeated[:EXAMPLES])}, …). Keep one."
        )
    by_name = known.set_index("name")["image_id"]
    if missing := [name for name in wanted if name not in by_name.index]:
        raise PairsError(
            f"{len(missing)} of {len(wanted)} images that {path} shows are not among the faces "
            f"({', '.join(missing[:EXAMPLES])}, …). Take all of LFW as faces, named as LFW does, or say in a "
            f"{MANIFEST} beside the pairs which file is which."
        )
    return pairs.assign(first=pairs["first"].map(by_name), second=pairs["second"].map(by_name))


def _sizes(row: list[str], path: Path) -> tuple[int, int]:
    numbers = [int(part) for part in row if part.strip().isascii() and part.strip().isdigit()]
    if len(numbers) != len(row) or len(row) not in (1, 2) or 0 in numbers:
        raise PairsError(
            f"{path} does not begin with the number of folds and of pairs of each kind in a fold, separated by a tab "
            "(10 and 300 in LFW's). Give a file in the format of LFW's pairs.txt."
        )
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (1, numbers[0])


def _pair(row: list[str], path: Path, line: int) -> tuple[str, str, bool]:
    try:
        match row:
            case [name, first, second]:
                return _name(name, first), _name(name, second), True
            case [name, first, other, second]:
                return _name(name, first), _name(other, second), False
            case _:
                raise ValueError("neither three nor four columns")
    except ValueError as error:
        raise PairsError(
            f"{path}, line {line}: {error}. A pair is a name and two numbers, or two names, each with a number, "
            "separated by tabs."
        ) from error


def _name(person: str, number: str) -> str:
    return f"{person}_{int(number):04d}"


def _name_of(image_id: str, names: dict[str, str]) -> str:
    """The name by the manifest, where the id may begin with the name of one of several sources, or else by the file."""
    inside_source = image_id.partition("/")[2]
    return names.get(image_id) or names.get(inside_source) or PurePosixPath(image_id).stem


def _names(manifest: Path) -> dict[str, str]:
    """Name by image id, as a manifest tells it; nothing if there is none."""
    if not manifest.is_file():
        return {}
    try:
        rows = read_table(manifest, "file", "source_path")
        return {slashed(cells["file"]): PurePosixPath(slashed(cells["source_path"])).stem for _, cells in rows}
    except TextTableError as error:
        raise PairsError(
            f"{manifest} does not say which file is which: it needs the columns `file` and `source_path`. {error}"
        ) from error
