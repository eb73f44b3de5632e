"""Whatever is wrong with what a user brings: one clear message, nothing run, and earlier results as they were.

Each case goes the way of `kedro run`: all parameters are checked, then the nodes of a pipeline do their work and the
catalog's data sets save it. How the command ends is looked at in `pipelines/test_bad_input.py`.
"""

import hashlib
import pickle
import shutil
import struct
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io.core import DatasetError
from safetensors.torch import save_file

from faceleak.auditing.faces import accept_splits, look_for_copies, open_source, split_faces, validate_faces
from faceleak.auditing.target import get_target
from faceleak.backbones.checkpoint import BackboneError
from faceleak.backbones.factories import FactoryError
from faceleak.backbones.onnx_import.reading import OnnxError
from faceleak.cli import _mendable
from faceleak.faces.images import encode_jpeg
from faceleak.faces.quarantine import QuarantineError
from faceleak.faces.sources.source import SourceError
from faceleak.faces.splits import SplitError
from faceleak.faces.store import StoreError
from faceleak.faces.validation import FacesValidationError
from faceleak.mlflow_model import MlflowModelError
from faceleak.runs.configuration import ConfigurationError, check_parameters
from faceleak.runs.datasets.rooms import BackboneDataset, FaceStoreDataset
from faceleak.work.tasks import DiskError
from tests.faces.sources.conftest import write_bin, write_recordio
from tests.runs.test_configuration import parameters

Parameters = dict[str, Any]
VERSION_1, VERSION_9 = (struct.pack("<i", 1) + text + b"\0" for text in (b"1", b"9"))  # as Arrow writes a text
ROLES = {"member": {"people": 2}, "unseen_identity": {"people": 2}}
SPLITS = {"splits": {"roles": ROLES}, "validation": {"minimum_size": 8}}


class Bomb:
    """Makes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def jpeg(level: int, size: int = 16) -> bytes:
    return encode_jpeg(np.full((size, size, 3), level, np.uint8))


def people(folder: Path, count: int = 4, size: int = 16) -> Path:
    """Folders of `count` people with two images each."""
    for number in range(2 * count):
        image = folder / "people" / f"person_{number // 2}" / f"{number % 2}.jpg"
        image.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(jpeg(20 * number, size))
    return folder / "people"


def in_folder(spoil: Callable[[Path], object], **more: Any) -> Callable[[Path], Parameters]:
    """People in folders, spoilt."""

    def make(folder: Path) -> Parameters:
        path = people(folder)
        spoil(path)
        return {"faces": {"source": "folder", "folder": {"path": path}, **SPLITS, **more}}

    return make


def png_of_60000_pixels_a_side(path: Path) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b""))


def leave_one_person(path: Path) -> None:
    for image in path.glob("person_[1-9]/*"):
        image.unlink()


def recordio(spoil: Callable[[Path], object]) -> Callable[[Path], Parameters]:
    def make(folder: Path) -> Parameters:
        path = folder / "train.rec"
        write_recordio(path, [(float(number // 2), jpeg(20 * number)) for number in range(8)])
        spoil(path)
        return {"faces": {"source": "recordio", "recordio": {"path": path}, **SPLITS}}

    return make


def source_file(source: str, name: str, write: Callable[[Path], object], **more: Any) -> Callable[[Path], Parameters]:
    """A file that a source reads, written by `write`."""

    def make(folder: Path) -> Parameters:
        path = folder / name
        write(path)
        return {"faces": {"source": source, source: {"path": path, **more}, **SPLITS}}

    return make


def listed(rows: str) -> Callable[[Path], Parameters]:
    """A CSV list of images that are there."""

    def make(folder: Path) -> Parameters:
        people(folder)
        return source_file("csv", "list.csv", lambda path: path.write_text(rows))(folder)

    return make


def copy_in_two_roles(folder: Path) -> Parameters:
    given = listed(COPY_IN_TWO_ROLES)(folder)
    (folder / "people" / "copy.jpg").write_bytes((folder / "people" / "person_0" / "0.jpg").read_bytes())
    return given


def weights(name: str, write: Callable[[Path], object], **more: Any) -> Callable[[Path], Parameters]:
    """A file of weights, written by `write`, for an architecture that is known."""

    def make(folder: Path) -> Parameters:
        path = folder / name
        write(path)
        network = {} if path.suffix == ".onnx" else {"architecture": "iresnet_tiny"}
        return {"target": {"source": "load", "load": {**network, "weights": path, "embedding_size": 32, **more}}}

    return make


def loaded(**load: Any) -> Callable[[Path], Parameters]:
    return lambda _: {"target": {"source": "load", "load": {"embedding_size": 32, **load}}}


def spoilt_store(folder: Path, change: Callable[[bytes], bytes]) -> Parameters:
    """The store of an earlier run, copied and spoilt."""
    (folder / "copy.arrow").write_bytes(change((folder / "earlier" / "faces.arrow").read_bytes()))
    return {}


def head_of_another_size(folder: Path) -> Parameters:
    save_file({"weight": torch.zeros(3, 5)}, folder / "head.safetensors")
    (folder / "people.txt").write_text("anna\nbert\ncarl\n")
    head = {"head": folder / "head.safetensors", "identities": folder / "people.txt"}
    return weights("net.pt", lambda path: torch.save(tiny_weights(), path), **head)(folder)


def tiny_weights() -> dict[str, torch.Tensor]:
    from faceleak.backbones.architectures import build
    from faceleak.backbones.card import BackboneCard

    return build(BackboneCard(architecture="iresnet_tiny", embedding_size=32)).state_dict()


def zeros_that_unpack_to_much(path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(4_000_000))


ROLES_OF_ONE_PERSON = "path,identity,role\npeople/person_0/0.jpg,a,member\npeople/person_0/1.jpg,a,public\n"
COPY_IN_TWO_ROLES = (
    "path,identity,role\n"
    + "".join(f"people/person_{n}/{i}.jpg,{n},member\n" for n in (0, 1) for i in (0, 1))
    + "".join(f"people/person_{n}/{i}.jpg,{n},unseen_identity\n" for n in (2, 3) for i in (0, 1))
    + "people/copy.jpg,2,unseen_identity\n"
)


@dataclass(frozen=True)
class Case:
    """What is wrong, the pipeline that meets it, how it is made, the error, and words that the message has."""

    name: str
    pipeline: str
    make: Callable[[Path], Parameters]
    error: type[Exception]
    words: tuple[str, ...]


def _parquet(**columns: list[Any]) -> Callable[[Path], object]:
    return lambda path: pd.DataFrame(columns).to_parquet(path)


def torchscript(path: Path) -> None:
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), path)


CASES = [
    Case("no folder", "faces", in_folder(lambda p: p.rename(p.with_name("elsewhere"))), SourceError,
         ("There is no folder", "faces.folder.path")),
    Case("one person", "faces", in_folder(leave_one_person), SourceError, ("1 people", "needs several")),
    Case("cut JPEG", "faces", in_folder(lambda p: (p / "person_0/0.jpg").write_bytes(jpeg(0)[:-50])), QuarantineError,
         ("person_0/0.jpg", "damaged")),
    Case("words named .jpg", "faces", in_folder(lambda p: (p / "person_0/0.jpg").write_text("words")), QuarantineError,
         ("person_0/0.jpg", "not an image")),
    Case("image of 3.6 gigapixels", "faces", in_folder(lambda p: png_of_60000_pixels_a_side(p / "person_0/9.png")),
         QuarantineError, ("person_0/9.png", "memory safe")),
    Case("words as RecordIO without index", "faces",
         recordio(lambda p: (p.with_suffix(".idx").unlink(), p.write_text("some words"))), SourceError,
         ("train.rec does not begin with a readable record",)),
    Case("RecordIO with words as index", "faces", recordio(lambda p: p.with_suffix(".idx").write_text("some words\n")),
         SourceError, ("train.idx is not an index",)),
    Case("RecordIO of another kind", "faces", recordio(lambda p: p.write_bytes(bytes(p.stat().st_size))), SourceError,
         ("does not begin with a readable record",)),
    Case("RecordIO of another index", "faces", recordio(lambda p: p.with_suffix(".idx").write_text("5\t99999999\n")),
         SourceError, ("Do the two belong together",)),
    Case("pickle bomb as verification set", "faces",
         source_file("bin", "lfw.bin", lambda p: p.write_bytes(pickle.dumps(([Bomb(p.with_name("ran"))], [1])))),
         SourceError, ("lfw.bin holds more than images and flags",)),
    Case("words as verification set", "faces", source_file("bin", "lfw.bin", lambda p: p.write_text("words")),
         SourceError, ("lfw.bin is damaged",)),
    Case("verification set with too few flags", "faces",
         source_file("bin", "lfw.bin", lambda p: write_bin(p, [jpeg(0), jpeg(1)], [])), SourceError,
         ("2 images and 0 flags",)),
    Case("no Parquet file", "faces", source_file("parquet", "shards", Path.mkdir), SourceError,
         ("There is no Parquet file", "faces.parquet.path")),
    Case("words as Parquet", "faces", source_file("parquet", "a.parquet", lambda p: p.write_text("words")), SourceError,
         ("a.parquet is not a sound Parquet file",)),
    Case("Parquet without the column", "faces",
         source_file("parquet", "a.parquet", _parquet(image=[jpeg(0)], label=["a"])), SourceError,
         ("has no column 'identity'", "it has image, label")),
    Case("Parquet with paths as images", "faces",
         source_file("parquet", "a.parquet", _parquet(image=["a.jpg"], identity=["a"])), SourceError,
         ("not encoded images",)),
    Case("list without columns", "faces", listed("a.jpg,anna\n"), SourceError, ("no column path", "path,identity")),
    Case("list in another encoding", "faces",
         source_file("csv", "list.csv", lambda p: p.write_bytes(b"path,identity\n\x81\xfe,x\n")), SourceError,
         ("row 2: the cell", "UTF-8")),
    Case("list with an unknown role", "faces", listed("path,identity,role\nx.jpg,a,non-member\n"), SourceError,
         ("row 2, column role: 'non-member'", "Allowed: member")),
    Case("person in two disjoint roles", "faces", listed(ROLES_OF_ONE_PERSON), SplitError,
         ("stated for several roles that must be disjoint",)),
    Case("too few people", "faces", in_folder(lambda _: None, splits={"roles": {**ROLES, "public": {"people": 9}}}),
         SplitError, ("asks for 9 people", "faces.splits.roles.public")),
    Case("landmarks without columns", "faces",
         lambda folder: in_folder(lambda p: p.with_name("marks.csv").write_text("image_id,x\n"),
                                  landmarks=folder / "marks.csv")(folder),
         SourceError, ("marks.csv does not give landmarks",)),
    Case("one image as member and as non-member", "faces", copy_in_two_roles, FacesValidationError,
         ("images (by sha256) in several roles: 2", "Keep one file")),
    Case("images too small", "faces", in_folder(lambda _: None, validation={"minimum_size": 32}), QuarantineError,
         ("8 of the first 8 images", "16×16 pixels", "validation.minimum_size", "faces.quarantine.maximum_share")),
    Case("results folder that is a file", "faces",
         lambda folder: in_folder(lambda _: (folder / "new").write_text("a file"))(folder), DiskError,
         ("could not be written", "Earlier results are untouched")),
    Case("no weights", "target", weights("nowhere.pt", lambda _: None), BackboneError, ("There is no weights file",)),
    Case("pickle bomb as checkpoint", "target",
         weights("bomb.pth", lambda p: torch.save({"conv1.weight": Bomb(p.with_name("ran"))}, p)), BackboneError,
         ("bomb.pth holds more than tensors", "Convert it where you trust it")),
    Case("archive that fills the memory", "target", weights("bomb.pt", zeros_that_unpack_to_much), BackboneError,
         ("unpacks to 4,000,000",)),
    Case("cut checkpoint", "target",
         weights("cut.pth", lambda p: (torch.save(tiny_weights(), p), p.write_bytes(p.read_bytes()[:5000]))),
         BackboneError, ("cut.pth", "damaged")),
    Case("words as safetensors", "target", weights("net.safetensors", lambda p: p.write_text("words")), BackboneError,
         ("net.safetensors is damaged or not a weights file",)),
    Case("TorchScript", "target", weights("scripted.pt", torchscript), BackboneError,
         ("TorchScript archive", "torch.jit.load(path).state_dict()")),
    Case("another file than the one described", "target",
         weights("net.pt", lambda p: torch.save(tiny_weights(), p), sha256="0" * 64), BackboneError,
         ("has SHA-256", "was expected")),
    Case("weights of another network", "target", weights("net.pt", lambda p: torch.save({"a": torch.zeros(1)}, p)),
         BackboneError, ("do not fit the architecture iresnet_tiny", "missing", "unexpected (a)")),
    Case("head of another size", "target", head_of_another_size, BackboneError,
         ("not the head of a backbone with embeddings of size 32",)),
    Case("words as ONNX", "target", weights("net.onnx", lambda p: p.write_text("words")), OnnxError,
         ("net.onnx is damaged or not an ONNX file",)),
    Case("class that is no network", "target", loaded(factory="collections:Counter"), FactoryError,
         ("has to be a subclass of torch.nn.Module",)),
    Case("model in MLflow that nobody trusts", "target",
         loaded(factory="faceleak.mlflow_model:MlflowModel", arguments={"uri": "models:/face/1"}), MlflowModelError,
         ("is a pickle", "run_its_code")),
    Case("unknown architecture", "target", loaded(architecture="iresnet_18", weights="net.pt"), ConfigurationError,
         ("iresnet_18", "Did you mean")),
    Case("module that is not installed", "target", loaded(factory="nowhere.models:Net"), ConfigurationError,
         ("cannot be found", "PYTHONPATH")),
    Case("two ways to name the network", "target",
         loaded(architecture="iresnet18", factory="collections:Counter", weights="net.pt"), ConfigurationError,
         ("both are given",)),
    Case("unknown key", "faces", lambda _: {"faces": {"sorce": "folder"}}, ConfigurationError,
         ("faces.sorce: unknown key",)),
    Case("source without its block", "faces", lambda _: {"faces": {"source": "recordio"}}, ConfigurationError,
         ("no block `recordio`",)),
    Case("people of a source that is not there", "faces",
         lambda _: {"faces": {"source": "several", "several": {
             "a": {"source": "folder", "folder": {"path": "x"}, "role": "same_identity", "people_of": "b"}}}},
         ConfigurationError, ("people_of is 'b'", "none of the sources")),
    Case("cut store", "store", lambda folder: spoilt_store(folder, lambda content: content[:-400]), StoreError,
         ("copy.arrow is damaged", "kedro run --pipelines=faces")),
    Case("store of a later version", "store",
         lambda folder: spoilt_store(folder, lambda content: content.replace(VERSION_1, VERSION_9)),
         StoreError, ("format version 9", "reads version 1")),
]  # fmt: skip


@pytest.fixture(scope="module")
def usual() -> Parameters:
    """Parameters of the smoke environment."""
    return parameters("smoke")


@pytest.fixture(scope="module")
def sound(usual: Parameters, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run left that met nothing bad."""
    folder = tmp_path_factory.mktemp("sound")
    source = {"source": "folder", "folder": {"path": people(folder)}, **SPLITS}
    run("faces", merged(usual, {"faces": source}), folder / "results")
    (folder / "results" / "target").mkdir()
    save_file(tiny_weights(), folder / "results" / "target" / "backbone.safetensors")
    return folder / "results"


@pytest.fixture
def earlier(sound: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt."""
    return Path(shutil.copytree(sound, tmp_path / "earlier"))


def merged(usual: Parameters, changes: Parameters) -> Parameters:
    whole = deepcopy(usual)
    for block, values in changes.items():
        whole[block].update(values)
    return whole


def run(pipeline: str, given: Parameters, results: Path) -> None:
    """Do what `kedro run --pipelines=<pipeline>` does, as far as bad input goes."""
    options = check_parameters(given)
    if pipeline == "faces":
        store = FaceStoreDataset(str(results / "faces.arrow"))
        store.save(open_source(options.faces, options.compute))
        faces = store.load()
        splits = split_faces(faces.manifest(), options.faces)
        manifest = results / "manifest.parquet"
        faces.manifest().to_parquet(manifest)
        copies, splits = look_for_copies(faces, splits, options.faces)
        accept_splits(splits, validate_faces(faces, manifest, splits, copies, options.faces)[0]).to_parquet(
            results / "splits.parquet"
        )
    elif pipeline == "store":
        FaceStoreDataset(str(results.parent / "copy.arrow")).load()
    else:
        splits = pd.DataFrame({"identity": ["ann"], "role": ["member"], "decided_by": ["list"]})
        target = get_target(None, splits, options.target, options.compute)
        BackboneDataset(str(results / "target")).save(target)


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_at_least_25_kinds_are_tried():
    assert len({case.name for case in CASES}) == len(CASES) >= 25


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_ends_in_one_clear_error_and_nothing_is_lost(case, usual, earlier, tmp_path):
    before = contents(earlier)
    given = merged(usual, case.make(tmp_path))
    fails_after_packing = case.error in (SplitError, FacesValidationError, DiskError)  # a sound source is a new store
    results = tmp_path / "new" if fails_after_packing else earlier
    with pytest.raises((case.error, DatasetError)) as caught:
        run(case.pipeline, given, results)
    error = _mendable(caught.value)
    assert type(error) is case.error
    for words in case.words:
        assert words in str(error), str(error)
    after = contents(earlier)
    assert {name: after.get(name) for name in before} == before
    assert not (tmp_path / "new" / "splits.parquet").exists()
    assert not list(tmp_path.rglob("ran"))
