"""Parts of one's own, one of each kind, from a folder outside the package: found, checked, used, and part of keys."""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from faceleak import bypasses, defenses, signals
from faceleak.backbones.factories import make
from faceleak.bypasses import OwnFaces
from faceleak.common.errors import FaceleakError
from faceleak.common.named import BrokenFileError, PartError, Registry, UnknownNameError
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner
from faceleak.defenses.tasks import VariantTask, ViewTask
from faceleak.faces.options import FacesOptions, sources
from faceleak.faces.sources.opening import open_images
from faceleak.faces.sources.source import SourceError
from faceleak.faces.store import FaceStore
from faceleak.membership import calibration, models
from faceleak.membership.attacks import code_of
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.reconstruction import objectives, optimizers
from faceleak.runs.configuration import ConfigurationError, check_parameters
from faceleak.signals.columns import Column, UnknownLayerError, columns_of, columns_of_layers
from faceleak.signals.reading import signal_table
from faceleak.work import closure
from faceleak.work.compute import ComputeOptions
from faceleak.work.tasks import code_version
from tests.runs.test_configuration import parameters

from .own_parts import CONFIGURATION, FILES, PEAKS, write
from .pipelines.conftest import copy_project, kedro

KINDS: list[tuple[Registry[Any], str]] = [
    (signals.registry, "own_parts.peaks"),
    (signals.registry, "own_parts.comparing"),
    (models.registry, "own_parts.guessing"),
    (calibration.registry, "own_parts.calibrating:Shift"),
    (defenses.registry, "own_parts.hiding"),
    (bypasses.registry, "own_parts.restoring"),
    (objectives.registry, "own_parts.bright"),
    (optimizers.registry, "own_parts.wandering"),
    (sources, "own_parts.census"),
]
THIRDS = ("early", "middle", "late")
SPLITS = {"roles": {"member": {"people": 2}, "unseen_identity": {"people": 2}}}


def forget() -> None:
    """What a process remembers of the package and of source."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_parts"]:
        del sys.modules[name]
    for remembered in (closure._read, closure._home, code_version):
        remembered.cache_clear()
    invalidate_caches()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the package, that is not on Python's path."""
    write(tmp_path)
    forget()
    yield tmp_path
    forget()


@pytest.fixture
def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, on Python's path."""
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.mark.parametrize(("registry", "name"), KINDS)
def test_one_of_each_kind_is_found_without_running_it_and_then_loaded(registry, name, own):
    assert registry.check(name) == name
    module = name.partition(":")[0]
    assert (module in sys.modules) == (":" in name)  # what an object has is seen once it is there
    assert registry.module(name) == module
    part = registry.get(name)
    assert registry.get(name) is part
    assert name not in registry.names()


def test_a_module_beside_the_others_needs_no_dot(folder, monkeypatch):
    (folder / "own_peaks.py").write_text(PEAKS)
    monkeypatch.syspath_prepend(folder)
    assert signals.registry.check("own_peaks") == "own_peaks"
    with pytest.raises(UnknownNameError, match="no defense 'own_peaks'"):
        defenses.registry.check("own_peaks")


def test_the_folder_of_the_command_is_looked_through_last_and_only_for_what_lies_there(folder, monkeypatch):
    monkeypatch.setattr(sys, "path", before := [*sys.path])
    monkeypatch.chdir(folder)
    for name in ("own_ports.peaks", "own_parts.peeks", "bn_distanse"):
        with pytest.raises(UnknownNameError):
            signals.registry.check(name)
    assert str(folder) not in sys.path
    assert signals.registry.get("own_parts.peaks").needs == {"mean"}
    assert sys.path == before
    assert sys.path[-1] == str(folder)


CLASS_WITH_ARGUMENTS = "class Shift:\n    def __init__(self, by):\n        self.by = by\n"
MISTAKES = [  # of which kind, the name, other texts of files → what is said
    (
        signals.registry,
        "own_parts.peeks",
        {},
        r"'own_parts\.peeks' of the signal .* cannot be found\. Package 'own_parts' was found; it has no module 'peeks'"
        r"\. Did you mean 'own_parts\.peaks'\?$",
    ),
    (
        signals.registry,
        "own_ports.peaks",
        {},
        r"The module 'own_ports\.peaks' of the signal .* cannot be found.*PYTHON",
    ),
    (
        signals.registry,
        "own_parts.peaks",
        {"peaks": PEAKS.partition("def column_names")[0] + 'COLUMN = ("layer",)\n'},
        r"COLUMN of the signal 'own_parts.peaks' is \('layer',\), and `column_names\(backbone\)` is missing: define it",
    ),
    (
        signals.registry,
        "own parts.peaks",
        {},
        "'own parts.peaks' names no signal: an import path is written package.mo",
    ),
    (
        calibration.registry,
        "own_parts.calibrating:Shif",
        {},
        "own_parts.calibrating has no Shif. Did you mean 'Shift'?",
    ),
    (
        calibration.registry,
        "own_parts.calibrating:Shift",
        {"calibrating": "class Shift:\n    def fit(self, scores, is_member, online=False):\n        return {}\n"},
        r"Shift lacks calibrate\(scores, fitted, online\)\. A calibration defines fit\(scores, is_member, online\), ",
    ),
    (
        calibration.registry,
        "own_parts.calibrating:Shift",
        {"calibrating": CLASS_WITH_ARGUMENTS},
        "without arguments fai",
    ),
    (
        signals.registry,
        "own_parts.hiding",
        {},
        r"lacks ACCESS, .*compute\(seen\); or ACCESS, COLUMNS, compare\(embedde",
    ),
    (
        signals.registry,
        "own_parts.peaks",
        {"peaks": PEAKS.replace('"weights"', '"everything"')},
        "ACCESS of own_parts.peaks is 'everything': Input should be 'weights', 'embeddings', 'head' or 'nothing'. A",
    ),
    (
        signals.registry,
        "own_parts.peaks",
        {"peaks": PEAKS + 'COLUMN = ("layers",)\n'},
        r"COLUMN of the signal 'own_parts.peaks' is \('layers',\): it says of what the names of `column_names`",
    ),
    (
        signals.registry,
        "own_parts.peaks",
        {"peaks": PEAKS.replace('"mean"', '"maen"')},
        "NEEDS of .* should be 'embeddi",
    ),
    (
        defenses.registry,
        "own_parts.hiding",
        {"hiding": FILES["hiding"].replace("class Settings(Options)", "class Settings")},
        "Settings of own_parts.hiding is .*subclass of Options",
    ),
    (
        defenses.registry,
        "own_parts.hiding",
        {"hiding": FILES["hiding"].replace("(owner, settings, seed)", "(owner, settings)")},
        r"`defend` of own_parts.hiding takes \(owner, settings\), and is called with \(owner, settings, seed\): too",
    ),
    (
        models.registry,
        "own_parts.guessing",
        {"guessing": FILES["guessing"].replace("def fit(table, columns)", "def fit(table, columns, depth)")},
        "`fit` of own_parts.guessing takes .*missing a required argument: 'depth'",
    ),
    (
        optimizers.registry,
        "own_parts.wandering",
        {"wandering": "TAKES_GRADIENTS = 3\nmaximize = 4\n"},
        "TAKES_GRADIENTS of",
    ),
    (
        optimizers.registry,
        "own_parts.wandering",
        {"wandering": "TAKES_GRADIENTS = True\nmaximize = 4\n"},
        "is a int, not a f",
    ),
    (
        bypasses.registry,
        "own_parts.restoring",
        {"restoring": "import nowhere_to_be_found\n" + FILES["restoring"]},
        r"The module of the bypass 'own_parts.restoring' cannot be imported \(ModuleNotFoundError.*nowhere_to_be",
    ),
]


@pytest.mark.parametrize(("registry", "name", "changes", "said"), MISTAKES)
def test_a_mistake_is_told_with_what_is_allowed(registry, name, changes, said, own):
    write(own, changes)
    with pytest.raises(UnknownNameError, match=said) as error:
        registry.get(name)
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize(
    ("compute_returns", "told"),
    [
        ("seen.faces.mean((1, 2, 3))",
         r"^`compute` of own_parts.peaks returned a tensor of shape \(2,\), where \(2, col"
         r"umns\) is expected for 2 faces: keep one row a face \(docs/own-parts.md\)\.$"),
        ("[1.0]", r"`compute` of own_parts.peaks returned a list; it has to return a tensor \(2, columns\)"),
        ("seen.faces.nowhere",
         r"`compute` of own_parts.peaks failed \(AttributeError: .*nowhere.*\) at .*peaks\.py:10\.$"),
        ("seen.embed(seen.faces[:, :1]).relu().view(-1, 7)", r"`compute` of own_parts.peaks failed .*peaks\.py:10\.$"),
    ],
)  # fmt: skip
def test_a_signal_that_fails_or_returns_something_else_is_named(compute_returns, told, own, tiny_backbone):
    head = PEAKS.partition("    return stack")[0]
    write(own, {"peaks": f"{head}    return {compute_returns}\n"})
    with pytest.raises(PartError, match=told):
        signals.registry.get_reader("own_parts.peaks").read(tiny_backbone, torch.rand(2, 3, 32, 32))


def test_other_numbers_of_names_than_of_columns_are_told(own, tiny_backbone):
    signal = signals.registry.get_reader("own_parts.peaks")
    names = len(signal.column_names(tiny_backbone.net))
    told = f"^`compute` of own_parts.peaks returned {names - 1} columns, and its column_names {names} names.$"
    with pytest.raises(PartError, match=told):
        signal_table(signal, tiny_backbone, np.zeros((2, names - 1), np.float32))


def test_an_error_inside_faceleak_keeps_its_own_traceback():
    with pytest.raises(AttributeError):
        signals.registry.get_reader("embedding").compute(None)


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", r"returned None; it has to return a Backbone \(a changed copy of `{}`\)\.$"),
        ("3", r"returned an int; it has to return a Backbone"),
        ("{}.net", r"returned an IResNet; return the whole Backbone, not its \.net\.$"),
    ],
)
def test_a_defense_or_bypass_that_returns_no_backbone_is_named(returned, told, own, tiny_backbone):
    hiding = FILES["hiding"].replace("return defended", f"return {returned.format('defended')}")
    restoring = FILES["restoring"].replace("return restored", f"return {returned.format('restored')}")
    write(own, {"hiding": hiding, "restoring": restoring})
    defense, bypass = defenses.registry.get("own_parts.hiding"), bypasses.registry.get("own_parts.restoring")
    owner = Owner(tiny_backbone, None, None, None, None)
    with pytest.raises(PartError, match="^`defend` of own_parts.hiding " + told.format("owner.backbone")):
        defense.defend(owner, defense.Settings(), 0)
    with pytest.raises(PartError, match="^`bypass` of own_parts.restoring " + told.format("released")):
        bypass.bypass(tiny_backbone, None)


@pytest.mark.parametrize(
    ("yielded", "told"),
    [
        ("('a', 'b', 'c', b'')",
         r"^`read` of own_parts.census yielded a tuple; it yields SourceImage\(image_id, identity, "
         r"source, content\)\.$"),
        ("SourceImage('p00_0', 'p', 'c', __import__('pathlib').PosixPath('x'))",
         r"^image 'p00_0' of own_parts.census: con"
         r"tent is a PosixPath, expected the encoded bytes \(path\.read_bytes\(\)\)\.$"),
        ("SourceImage(1 / 0)", r"^`read` of own_parts.census failed \(ZeroDivisionError: .*census\.py:\d+\.$"),
    ],
)  # fmt: skip
def test_a_source_that_yields_something_else_is_named(yielded, told, own):
    start, _, rest = FILES["census"].partition("            yield ")
    write(own, {"census": f"{start}            yield {yielded}\n{rest.partition(chr(10))[2]}"})
    settings = parameters("smoke")["faces"] | {
        "source": "own_parts.census",
        "settings": {"people": 2},
        "splits": SPLITS,
    }
    source = open_images(FacesOptions(**settings))
    with pytest.raises(PartError, match=told):
        list(source.read(0))


@pytest.mark.parametrize(
    ("named", "restoring", "told"),
    [
        ("own_parts.dubble", "", r"BYPASSES of own_parts.hiding names 'own_parts.dubble', which cannot be found: "),
        ("own_parts.restoring", '"weights"',
         r"BYPASSES .* 'own_parts.restoring', which cannot be used: ACCESS of own_parts"),
    ],
)  # fmt: skip
def test_bypasses_of_a_defense_are_checked_with_the_configuration(named, restoring, told, own):
    hiding = FILES["hiding"].replace("own_parts.restoring", named)
    restored = FILES["restoring"].replace(restoring, '"queries"') if restoring else FILES["restoring"]
    write(own, {"hiding": hiding, "restoring": restored})
    with pytest.raises(ValueError, match=told):
        VariantOptions(defense="own_parts.hiding")


def test_constants_of_a_signal_are_checked_with_the_configuration_and_its_key(own):
    write(own, {"peaks": PEAKS.replace('"weights"', '"pixels"')})
    asked = parameters("smoke")["membership"]
    asked["attacks"]["mine"] = {"signals": ["own_parts.peaks"]}
    with pytest.raises(ValidationError, match=r"ACCESS of own_parts\.peaks is 'pixels'") as error:
        MembershipOptions(**asked)
    assert error.value.errors()[0]["loc"] == ("attacks", "mine", "signals", 0)


def test_a_file_that_is_no_python_is_named(own):
    write(own, {"peaks": "def compute(seen:\n"})
    with pytest.raises(BrokenFileError, match=r"peaks\.py is no Python .* Correct it"):
        signals.registry.check("own_parts.peaks")


def test_column_names_tell_the_signal_also_of_an_import_path():
    for signal in ("bn_distance", "own_parts.peaks", "own_parts.calibrating:Shift"):
        assert Column.parse(Column(signal, "layer1.0.bn1").name) == (signal, "layer1.0.bn1")
    assert Column("bn_distance", "layer1.0.bn1").name == "bn_distance.layer1.0.bn1"
    table = pd.DataFrame(columns=[Column("own_parts.peaks", "bn1").name, Column("own_parts", "bn1").name])
    assert columns_of("own_parts", table) == ["own_parts.bn1"]
    assert columns_of("own_parts.peaks", table) == ["own_parts/peaks.bn1"]


def test_own_signals_are_read_and_a_third_of_the_layers_is_a_third_of_their_columns(
    own, demo_store, tiny_backbone, compute
):
    from faceleak.signals.reading import read_signals

    peaks, comparing = "own_parts.peaks", "own_parts.comparing"
    images = demo_store.manifest().head(12)
    table = read_signals([comparing, peaks, "bn_distance"], tiny_backbone, demo_store, images, compute)
    assert len(columns_of(comparing, table)) == len(signals.registry.get(comparing).columns)
    for third in THIRDS:
        layers = [Column.parse(name).layer for name in columns_of_layers("bn_distance", table, third)]
        expected = [f"own_parts/peaks.{layer}.{part}" for layer in layers for part in ("highest", "lowest")]
        assert columns_of_layers(peaks, table, third) == expected
        assert columns_of_layers(comparing, table, third) == columns_of(comparing, table)


@pytest.mark.parametrize("third", THIRDS)
def test_a_signal_that_does_not_say_its_layers_stops_a_third_of_them_before_any_work(third, own):
    unsaid = "own_parts.unsaid"
    columns = pd.DataFrame(columns=[Column(unsaid, part).name for part in ("bn1.highest", "bn1.lowest")])
    assert len(columns_of_layers(unsaid, columns, "all")) == 2
    told = "'own_parts.unsaid' reads BN layers, .* Define COLUMN"
    with pytest.raises(UnknownLayerError, match=told):
        columns_of_layers(unsaid, columns, third)
    asked = parameters("smoke")["membership"]
    asked["attacks"]["own"] = {"signals": [unsaid], "layers": third}
    with pytest.raises(ValueError, match=told):
        MembershipOptions(**asked)
    asked["attacks"]["own"]["layers"] = "all"
    assert "own" in MembershipOptions(**asked).attacks


def test_stage_2_refuses_a_comparison_before_any_work(own):
    assert not AttackOptions(signals=["bn_moments", "own_parts.comparing"]).reads_single_images()
    asked = parameters("smoke")
    asked["membership"]["attacks"]["bn_moments"]["signals"] = ["bn_moments", "own_parts.comparing"]
    asked["reconstruction"]["search"]["attack"] = "bn_moments"
    with pytest.raises(ConfigurationError, match=r"'bn_moments', but stage 2 maximizes .* on signals of single images"):
        check_parameters(asked)


def test_stage_2_climbs_a_model_of_ones_own_where_it_has_gradients(own):
    assert AttackOptions(signals=["own_parts.peaks"], model="own_parts.guessing").is_differentiable()
    write(own, {"guessing": FILES["guessing"].replace("def logit", "def no_logit")})
    forget()
    assert not AttackOptions(signals=["own_parts.peaks"], model="own_parts.guessing").is_differentiable()


def test_a_defense_of_ones_own_is_called_after_its_module_and_its_settings_are_checked(own):
    assert VariantOptions(defense="own_parts.hiding", share=0.25).name == "hiding_0.25"
    with pytest.raises(ValueError, match=r"own_parts\.hiding: shore: Extra inputs .*; its settings are share"):
        VariantOptions(defense="own_parts.hiding", shore=0.25)


def test_a_source_of_ones_own_is_opened_with_its_settings(own):
    asked = {"source": "own_parts.census", "settings": {"people": 3, "images": 2}, "splits": SPLITS}
    faces = open_images(FacesOptions(**asked))
    assert (len(faces), faces.states_roles, faces.losses()) == (6, False, [])
    assert [image.image_id for image in faces.read(4)] == ["2/0", "2/1"]
    fewer = {"source": "own_parts.census", "settings": {"people": 2}}
    several = FacesOptions(source="several", several={"a": fewer, "b": fewer}, splits=SPLITS)
    assert len(open_images(several)) == 24
    with pytest.raises(
        ValueError, match=r"own_parts\.census: people: Field required .*; its settings are people, images"
    ):
        FacesOptions(**asked | {"settings": {}})
    with pytest.raises(ValueError, match="`settings` are those of a source of your own; `demo` has a block"):
        FacesOptions(**asked | {"source": "demo", "demo": {"people": 2, "images_per_person": 2}})
    write(own, {"census": FILES["census"].replace("return Census(settings)", "return []")})
    forget()
    with pytest.raises(
        SourceError, match=r"returns lacks states_roles, fingerprint\(\), read\(start\), losses\(\)\. A so"
    ):
        open_images(FacesOptions(**asked))


def test_an_edit_makes_every_task_anew(own, demo_store: FaceStore, tiny_backbone, compute: ComputeOptions):
    """Each key holds the code of the part that was looked up by name, and of no other one."""
    keys: dict[str, Callable[[], object]] = {
        "peaks": lambda: signal_path(tiny_backbone, demo_store, compute),
        "hiding": lambda: (
            VariantTask(
                Owner(tiny_backbone, None, demo_store, demo_store.manifest(), compute),
                VariantOptions(defense="own_parts.hiding"),
            ).folder
        ),
        "restoring": lambda: (
            ViewTask(tiny_backbone, "own_parts.restoring", OwnFaces(demo_store, demo_store.manifest(), compute)).folder
        ),
        "census": lambda: open_images(
            FacesOptions(source="own_parts.census", settings={"people": 3}, splits=SPLITS)
        ).fingerprint(),
        "guessing": lambda: code_version(*code_of([AttackOptions(signals=["embedding"], model="own_parts.guessing")])),
        "calibrating": lambda: code_version(
            *code_of([AttackOptions(signals=["embedding"], calibration="own_parts.calibrating:Shift")])
        ),
        "bright": lambda: search_path(tiny_backbone, compute),
        "wandering": lambda: search_path(tiny_backbone, compute),
        "nets": backbone_hash,
    }

    def made(changes: dict[str, str]) -> dict[str, object]:
        write(own, changes)
        forget()
        return {name: key() for name, key in keys.items()}

    before = made({})
    for name in keys:
        changed = {
            other for other, key in made({name: FILES[name] + "\nEDITED = True\n"}).items() if key != before[other]
        }
        searches = {"bright", "wandering"}
        assert changed == (searches if name in searches else {name})
    assert made({"peaks": f'"""Another docstring."""\n{FILES["peaks"]}# a comment\n'}) == before


def signal_path(backbone: Any, store: FaceStore, compute: ComputeOptions) -> Path:
    from faceleak.signals.reading import signal_paths

    reader = signals.registry.get_reader("own_parts.peaks")
    return signal_paths([reader], backbone.network_hash(), store, store.manifest(), compute)[reader.name][0]


def search_path(backbone: Any, compute: ComputeOptions) -> Path:
    from faceleak.membership.models.logistic import LogisticModel
    from faceleak.reconstruction.options import SearchOptions
    from faceleak.reconstruction.priors.options import PriorOptions
    from faceleak.reconstruction.scorer import Scorer
    from faceleak.reconstruction.tasks import ReconstructionTask

    model = LogisticModel(columns=("a",), mean=(0.0,), scale=(1.0,), weights=(1.0,), bias=0.0, threshold=0.0)
    search = SearchOptions(
        attack="a",
        objective={"membership": 1.0, "own_parts.bright": 0.5},
        optimizer="own_parts.wandering",
        candidates=2,
        selected=1,
        steps=1,
    )
    scorer = Scorer(backbone, ("bn_distance",), model)
    return ReconstructionTask(scorer, PriorOptions(demo=True), search, compute).path


def backbone_hash() -> str:
    from faceleak.backbones.backbone import Backbone
    from faceleak.backbones.card import BackboneCard, Preprocessing
    from faceleak.work.compute import seeded

    card = BackboneCard(
        architecture="own_parts.nets:Net", embedding_size=32, preprocessing=Preprocessing(image_size=32)
    )
    with seeded(0):
        return Backbone(make("own_parts.nets:Net", {}), card).network_hash()


@pytest.mark.slow
def test_attack_and_defense_run_with_one_of_each_from_the_folder_of_the_command(tmp_path):
    project = copy_project(tmp_path, workers="2")  # which find them as well
    write(project)
    shutil.copytree(project / "conf" / "smoke", project / "conf" / "own")
    for name, text in CONFIGURATION.items():
        (project / "conf" / "own" / f"parameters_{name}.yml").write_text(text)
    run = kedro(project, "run", "--env=own", "--pipelines=attack,defense")
    assert run.returncode == 0, run.stdout + run.stderr
    data = project / "data" / "smoke"
    assert pd.read_parquet(data / "03_primary/splits.parquet")["identity"].nunique() == 52
    table = pd.read_parquet(data / "04_feature/signals.parquet")
    assert {Column.parse(name).signal for name in table.columns} >= {"own_parts.peaks", "own_parts.comparing"}
    scores = pd.read_parquet(data / "07_model_output/defense_scores.parquet")
    assert set(scores["attack"]) == {"own", "own_early", "own_climbed"}
    assert set(scores["variant"]) == {"undefended", "hiding"}
    assert "hiding+own_parts.restoring" in set(scores["view"])
    assert scores["score"].notna().all()
