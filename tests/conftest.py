"""Fixtures for every room: a tiny demo store with its splits, and a tiny backbone."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from benchmarks.external import external_data
from faceleak.faces.options import DemoOptions, RoleOptions, SplitOptions
from faceleak.faces.splits import split
from faceleak.faces.store import FaceStore, pack
from faceleak.work import closure, tasks
from faceleak.work.compute import ComputeOptions

settings.register_profile(
    "suite",
    deadline=None,  # other tests run beside this one
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
settings.load_profile("suite")


TESTS = Path(__file__).parent
LONGEST = [  # the first two begin together; what needs the audit comes when it is there
    TESTS / file
    for file in (
        "pipelines/test_audit.py",
        "membership/test_known_answers.py",
        "pipelines/test_prior.py",
        "pipelines/test_interrupted.py",
        "auditing/test_audit.py",
        "tuning/test_study.py",
        "pipelines/test_tuning.py",
        "pipelines/test_tuning_reconstruction.py",
        "pipelines/test_report.py",
        "pipelines/test_without_bn.py",
        "pipelines/test_bad_input.py",
        "test_own.py",
        "auditing/test_readme.py",
        "defenses/private/test_training.py",
        "reconstruction/prior_training/test_training.py",
        "membership/models/test_every_model.py",
    )
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest come first, so that all workers end together."""
    assert all(file.is_file() for file in LONGEST)
    place = {file: number for number, file in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path, len(place)))


@contextmanager
def made_once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that all workers of the suite share, one of them at a time: what one made, the others find there."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with FileLock(folder / "lock"):
        yield folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without any run, to be copied: its fifty migrations take seconds."""
    from faceleak.runs.tracking import make_database

    with made_once(tmp_path_factory, "mlflow") as folder:
        make_database(f"sqlite:///{folder / 'mlflow.db'}")
    return folder / "mlflow.db"


@pytest.fixture(scope="session")
def compute(tmp_path_factory: pytest.TempPathFactory) -> ComputeOptions:
    """One process on the CPU, in float32, with a cache of this run alone."""
    cache = tmp_path_factory.mktemp("cache")
    return ComputeOptions(device="cpu", precision="float32", workers=1, batch_size=16, cache=cache)


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory, compute: ComputeOptions) -> FaceStore:
    """12 fictitious people with 6 images of 64×64 each."""
    from faceleak.faces.demo import DemoFaces

    path = tmp_path_factory.mktemp("demo") / "faces.arrow"
    pack(DemoFaces(DemoOptions(people=12, images_per_person=6), compute), path)
    return FaceStore(path)


@pytest.fixture(scope="session")
def demo_splits(demo_store: FaceStore) -> pd.DataFrame:
    """Roles for all 12 people of `demo_store`: 5 member, 4 unseen_identity, 3 auxiliary; half are known."""
    roles = {
        "member": RoleOptions(people=5, minimum_images=6),
        "unseen_identity": RoleOptions(people=4),
        "auxiliary": RoleOptions(people=3),
    }
    return split(demo_store.manifest(), SplitOptions(roles=roles))


@pytest.fixture
def tiny_backbone():
    """An untrained iResNet for 32×32, in eval mode, whose running statistics are not those of a fresh network."""
    import torch

    from faceleak.backbones.architectures import build
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.card import BackboneCard, Preprocessing
    from faceleak.work.compute import seeded

    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    with seeded(0):
        net = build(card)
        for module in net.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
    return Backbone(net, card).eval()


@pytest.fixture
def smooth_pixels() -> np.ndarray:
    """Smooth colors, 48 wide and 40 high, as RGB pixels (40, 48, 3)."""
    rows, columns = np.mgrid[0:40, 0:48]
    return np.stack([rows * 6, columns * 5, 255 - rows * 3 - columns * 2], axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def external() -> Path:
    """The folder with real faces and backbones; skips the test where it is missing."""
    if (folder := external_data()) is None:
        pytest.skip("no real faces and backbones: neither data/external (docs/external-data.md) nor ../shared is there")
    return folder


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Let one module look as if its code were another: edited("faceleak.x"); None bypasses it."""
    read = closure._read

    def edit(module: str | None) -> None:
        def changed(found: closure._Module) -> tuple[str, tuple[closure._Module, ...]]:
            code, imported = read(found)
            return (code + " edited" if found.name == module else code), imported

        monkeypatch.setattr(closure, "_read", changed)
        tasks.code_version.cache_clear()

    yield edit
    tasks.code_version.cache_clear()


@pytest.fixture
def not_in_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[], object]], set[str]]]:
    """Run what names a task and makes it; return the modules of ours whose code ran and that no key held."""

    def run(make: Callable[[], object]) -> set[str]:
        held, ran = set[str](), set[str]()

        def noted(*entries: str) -> dict[str, str]:
            found = closure.closure(*entries)
            held.update(found)
            return found

        def note(frame: FrameType, event: str, argument: object) -> None:
            if event == "call" and frame.f_code.co_name != "<module>":
                ran.add(frame.f_globals.get("__name__") or "")

        monkeypatch.setattr(tasks, "closure", noted)
        tasks.code_version.cache_clear()
        before = sys.gettrace()
        threading.settrace(note)
        sys.settrace(note)
        try:
            make()
        finally:
            sys.settrace(before)
            threading.settrace(before)  # type: ignore[arg-type]
        ours = {module for module in ran if module.startswith("faceleak.")}
        assert ours & held
        return {module for module in ours - held if not closure._is_infrastructure(module)}

    yield run
    tasks.code_version.cache_clear()
