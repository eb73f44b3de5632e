"""A small world as a user has it: folders of people on a disk, and a backbone that was trained on some of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import faceleak
from faceleak.backbones.loading import WEIGHTS, load_backbone, save_backbone
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions
from faceleak.faces.store import FaceStore, pack
from faceleak.work.compute import ComputeOptions, single_threaded

TINY = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 8}
SETTINGS = {"membership": {"references": {"training": TINY}}, "bootstrap": {"resamples": 100}}
PEOPLE = {"trained_on": range(6), "others": range(6, 16), "attackers": range(16, 24)}
IMAGES, HELD_OUT = 6, 3  # of each person; of a member's, the last were not trained on


@dataclass(frozen=True)
class World:
    """folder: `trained_on`, `not_trained_on` (of the same people), `others`, `attackers`; `target`: a backbone."""

    folder: Path
    store: FaceStore

    @property
    def faces(self) -> dict[str, Path]:
        """The arguments of `audit` that hold faces."""
        names = {"members": "trained_on", "same_identity": "not_trained_on", "others": "others"}
        return {argument: self.folder / name for argument, name in {**names, "auxiliary": "attackers"}.items()}

    @property
    def target(self) -> Path:
        """The folder of the backbone."""
        return self.folder / "target"

    @property
    def weights(self) -> dict[str, Any]:
        """The same as a file of weights, described."""
        sizes = {"embedding_size": TINY["embedding_size"], "preprocessing": {"image_size": TINY["image_size"]}}
        return {"path": self.target / WEIGHTS, "architecture": TINY["architecture"], **sizes}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, compute: ComputeOptions) -> World:
    folder = tmp_path_factory.mktemp("world")
    pack(DemoFaces(DemoOptions(people=24, images_per_person=IMAGES), compute), folder / "all.arrow")
    store = FaceStore(folder / "all.arrow")
    manifest = store.manifest()
    names = sorted(manifest["identity"].unique())
    role_of = {names[number]: role for role, numbers in PEOPLE.items() for number in numbers}
    for position, row in enumerate(manifest.itertuples(index=False)):
        role, place = role_of[row.identity], int(row.image_id.rpartition("/")[2])
        name = "not_trained_on" if role == "trained_on" and place >= IMAGES - HELD_OUT else role
        file = folder / name / row.identity / f"{place}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(store.jpeg(position))
    place = manifest["image_id"].str.rpartition("/")[2].astype(int)
    members = manifest[(manifest["identity"].map(role_of) == "trained_on") & (place < IMAGES - HELD_OUT)]
    with single_threaded():
        task = TrainingTask("the target", store, members, TrainingOptions(**TINY), compute, compute.cache)
        save_backbone(train_backbones([task], compute)[0], folder / "target")
    return World(folder, store)


@pytest.fixture(scope="session")
def result(world: World) -> Iterator[faceleak.Audit]:
    """What an audit of the world returns."""
    with single_threaded():
        yield faceleak.audit(faceleak.load_backbone(**world.weights), **world.faces, settings=SETTINGS, device="cpu")


@pytest.fixture
def target(world: World) -> Any:
    """The backbone of the world."""
    return load_backbone(world.target)
