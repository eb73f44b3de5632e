"""Readers of bytes from outside on damaged and random ones: `python -m benchmarks.fuzzing [examples] [readers]`.

Every reader gets sound files of each kind that it takes, changed in a few places, and bytes of no kind. It has to read
them or raise a FaceleakError, within seconds of CPU time and a cap on memory. The suite runs a few examples of each.
"""

import logging
import pickle
import signal
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.synthetic_records import write_records
from faceleak.common.errors import FaceleakError

EXAMPLES = 2000
SECONDS = 10.0  # of CPU time, an example
MEGABYTES = 600.0  # more than before, at the peak
SIZE = 16
EXTREMES = [struct.pack(f"<{kind}", value) for kind, value in (("i", -1), ("i", 2**31 - 1), ("q", 2**62), ("q", 64))]


class HangError(BaseException):
    """An example takes too long; no reader may catch it."""


@dataclass(frozen=True)
class Reader:
    """How a kind of file is read, and sound ones by the name that each has to have."""

    read: Callable[[Path], object]
    sound: Callable[[Path], dict[str, list[bytes]]]


def changed(sound: bytes) -> st.SearchStrategy[bytes]:
    """The bytes, changed in up to four places: overwritten, cut out, put in twice, or ended."""
    place = st.integers(0, len(sound))
    task = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(EXTREMES))
    edit = st.one_of(
        st.tuples(st.just("overwrite"), place, task),
        st.tuples(st.just("cut"), place, st.integers(1, 64)),
        st.tuples(st.just("repeat"), place, st.integers(1, 64)),
        st.tuples(st.just("end"), place, st.none()),
    )
    return st.lists(edit, min_size=1, max_size=4).map(lambda edits: _edited(sound, edits))


def _edited(content: bytes, edits: "list[tuple[str, int, bytes | int | None]]") -> bytes:
    for kind, place, how in edits:
        before, after = content[:place], content[place:]
        if isinstance(how, bytes):
            content = before + how + after[len(how) :]
        elif kind == "cut":
            content = before + after[how:]
        elif kind == "repeat":
            content = before + after[:how] + after
        else:
            content = before
    return content


def fuzz(reader: Reader, examples: int, folder: Path) -> float:
    """Try a reader; return by how many MB memory has grown at most. Raises whatever it should not have raised."""
    files = [(name, content) for name, contents in reader.sound(folder).items() for content in contents]
    for name, content in files:
        (folder / name).write_bytes(content)
        reader.read(folder / name)  # sound ones are read
    cases = st.one_of(
        *(st.tuples(st.just(name), changed(content)) for name, content in files),
        st.tuples(st.sampled_from([name for name, _ in files]), st.binary(max_size=400)),
    )

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases)
    def attempt(case: tuple[str, bytes]) -> None:
        for name, content in files:
            (folder / name).write_bytes(content)  # what lies beside it is sound
        path = folder / case[0]
        path.write_bytes(case[1])
        with _within(SECONDS), suppress(FaceleakError):
            reader.read(path)

    before = _peak(reset=True)
    attempt()
    return _peak() - before


@contextmanager
def _within(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise HangError(f"more than {seconds} s of CPU time")

    earlier = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, earlier)


def _peak(reset: bool = False) -> float:
    """Most memory that this process has held, in MB, since the last reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _jpeg(level: int) -> bytes:
    from faceleak.faces.images import encode_jpeg

    return encode_jpeg(np.full((SIZE, SIZE, 3), level, np.uint8))


def _all_images(source: object) -> None:
    from faceleak.faces.packing import _check

    _check(list(source.read(0)))  # type: ignore[attr-defined]
    source.losses()  # type: ignore[attr-defined]


def read_records(path: Path) -> None:
    """RecordIO, with the index that belongs to the sound file, or an index with the sound records."""
    from faceleak.faces.sources.recordio import RecordFaces

    _all_images(RecordFaces(path.with_suffix(".rec")))


def records(folder: Path) -> dict[str, list[bytes]]:
    """Records and their index."""
    write_records(folder / "records.rec", 4, SIZE)
    return {name: [(folder / name).read_bytes()] for name in ("records.rec", "records.idx")}


def read_bin(path: Path) -> None:
    """A verification set."""
    from faceleak.faces.sources.verification_bin import VerificationFaces

    source = VerificationFaces(path)
    _all_images(source)
    source.pairs()


def bins(_: Path) -> dict[str, list[bytes]]:
    """Verification sets by every protocol of pickle that has bytes."""
    content = ([_jpeg(level) for level in (0, 80, 160, 240)], [True, False])
    return {"pairs.bin": [pickle.dumps(content, protocol) for protocol in range(3, 6)]}


def read_store(path: Path) -> None:
    """A packed store."""
    from faceleak.faces.store import FaceStore

    store = FaceStore(path)
    manifest = store.manifest()
    store.quarantine()
    store.positions(manifest["image_id"].dropna().head(2))
    for number in range(store.parts):
        store.part(number, ["sha256"])
    for position in range(min(len(store), 64)):
        store.pixels(position)


def stores(folder: Path) -> dict[str, list[bytes]]:
    """A store of a few images."""
    from faceleak.faces.packing import Packing
    from faceleak.faces.sources.recordio import RecordFaces

    records(folder)
    Packing(RecordFaces(folder / "records.rec")).into(folder / "faces.arrow")
    return {"faces.arrow": [(folder / "faces.arrow").read_bytes()]}


def read_weights(path: Path) -> None:
    """A checkpoint of torch or safetensors."""
    from faceleak.backbones.checkpoint import read_checkpoint

    read_checkpoint(path)


def weights(folder: Path) -> dict[str, list[bytes]]:
    """Checkpoints of each kind."""
    import torch
    from safetensors.torch import save

    tensors = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2), "bn.num_batches_tracked": torch.tensor(3)}
    wrapped = {"state_dict": tensors, "epoch": 3, "options": {"lr": 0.1, "names": ["a", "b"]}}
    for name, zipped in (("new.pth", True), ("old.pth", False)):
        torch.save(wrapped, folder / name, _use_new_zipfile_serialization=zipped)
    both = [(folder / name).read_bytes() for name in ("new.pth", "old.pth")]
    return {"weights.pth": both, "weights.safetensors": [save(tensors, {"format": "pt"})]}


def read_onnx(path: Path) -> None:
    """An ONNX network, imported and probed."""
    from faceleak.backbones.onnx_import.loading import load_onnx

    load_onnx(path, image_size=SIZE)


def onnxes(_: Path) -> dict[str, list[bytes]]:
    """A small convolutional network."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {
        "weight": np.ones((4, 3, 3, 3), np.float32),
        **{name: np.ones(4, np.float32) for name in ("scale", "bias", "mean", "var")},
        "matrix": np.ones((4, 8), np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["images", "weight"], ["a"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("BatchNormalization", ["a", "scale", "bias", "mean", "var"], ["b"]),
        helper.make_node("Relu", ["b"], ["c"]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"]),
        helper.make_node("Flatten", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "matrix"], ["answer"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ("n", 3, SIZE, SIZE))],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return {"network.onnx": [model.SerializeToString()]}


def read_image(path: Path) -> None:
    """An image of a folder."""
    from faceleak.faces.images import decode_jpeg, read_as_jpeg

    jpeg, *_ = read_as_jpeg(path.read_bytes(), path.name)
    decode_jpeg(jpeg)


def images(folder: Path) -> dict[str, list[bytes]]:
    """An image of each format that is read."""
    from PIL import Image

    picture = Image.fromarray(np.arange(SIZE * SIZE * 3, dtype=np.uint8).reshape(SIZE, SIZE, 3))
    for kind in ("png", "bmp", "webp", "tiff", "ppm"):
        picture.save(folder / f"image.{kind}")
    return {"image": [_jpeg(90), *(path.read_bytes() for path in sorted(folder.glob("image.*")))]}


def read_checksummed(path: Path) -> None:
    """What faceleak itself keeps between runs."""
    from faceleak.work.checksummed import load_arrays, load_table, load_tree

    {".json": load_tree, ".parquet": load_table, ".safetensors": lambda file: load_arrays(file, "numpy")}[path.suffix](
        path
    )


def checksummed(folder: Path) -> dict[str, list[bytes]]:
    """A tree, a table and arrays."""
    import pandas as pd

    from faceleak.work.checksummed import save_arrays, save_table, save_tree

    save_tree(folder / "tree.json", {"a": [1, 2.5, None], "b": {"c": "text"}})
    save_table(folder / "table.parquet", pd.DataFrame({"image_id": ["x", "y"], "value": [0.5, 1.5]}))
    save_arrays(folder / "arrays.safetensors", {"a": np.arange(6.0).reshape(2, 3), "b": np.zeros(3, np.uint8)})
    return {name: [(folder / name).read_bytes()] for name in ("tree.json", "table.parquet", "arrays.safetensors")}


READERS = {
    "RecordIO": Reader(read_records, records),
    "verification sets": Reader(read_bin, bins),
    "stores": Reader(read_store, stores),
    "checkpoints": Reader(read_weights, weights),
    "ONNX": Reader(read_onnx, onnxes),
    "images": Reader(read_image, images),
    "kept results": Reader(read_checksummed, checksummed),
}


def main(examples: int, names: list[str]) -> None:
    """Try all readers, or those named; print what each took."""
    logging.disable()  # readers warn of what is missing
    for name in names or READERS:
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            grown = fuzz(READERS[name], examples, Path(folder))
        seconds = time.process_time() - started
        print(f"{name}: {examples:,} examples, {seconds:.0f} s, memory grew by {grown:.0f} MB", flush=True)
        assert grown < MEGABYTES, name


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES, sys.argv[2:])
