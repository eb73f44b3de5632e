"""How fast a face set is packed, as a share of the rate at which the same images are merely decoded."""

import tempfile
from pathlib import Path

from benchmarks.pairs import median_ratio
from benchmarks.synthetic_records import write_records
from faceleak.faces.images import decode_jpeg
from faceleak.faces.packing import Packing
from faceleak.faces.sources.recordio import RecordFaces
from faceleak.work.compute import ComputeOptions, available_cores, stream_tasks

IMAGES, SIZE = 6000, 112
LEAST = 0.6
ROUNDS = 3


def run() -> bool:
    """Print a row for one process and one for all cores, the default; False where that is below the least share."""
    with tempfile.TemporaryDirectory() as folder:
        records = Path(folder) / "train.rec"
        write_records(records, IMAGES, SIZE)
        contents = [image.content for image in RecordFaces(records).read(0)]
        shares = [_share(records, contents, workers) for workers in sorted({1, available_cores()})]
        return shares[-1] >= LEAST


def _share(records: Path, contents: list[bytes], workers: int) -> float:
    groups = [contents[start : start + 500] for start in range(0, len(contents), 500)]
    store = records.with_name("faces.arrow")

    def decode() -> None:
        for _ in stream_tasks(decode_all, groups, workers):
            pass

    def pack() -> None:
        store.unlink(missing_ok=True)
        Packing(RecordFaces(records), compute=ComputeOptions(workers=workers)).into(store)

    share = median_ratio(decode, pack, ROUNDS)
    allowed = f"  (at least {LEAST:.0%})" if workers == available_cores() else ""
    print(f"packing with {workers} workers: {share:.0%} of the bare decode rate{allowed}")
    return share


def decode_all(contents: list[bytes]) -> None:
    """Decode, and do nothing else."""
    for content in contents:
        decode_jpeg(content)


if __name__ == "__main__":
    run()
