"""The rooms whose files are parts by name: which files are, what each has, and what is said of other names."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args

import pytest
from pydantic import TypeAdapter, ValidationError

from faceleak import bypasses, defenses, signals
from faceleak.common.errors import FaceleakError
from faceleak.common.named import Registry, UnknownNameError, check_name, files_of
from faceleak.common.options import Options
from faceleak.faces.options import sources
from faceleak.membership import calibration, models
from faceleak.membership.views import AttackAccess
from faceleak.reconstruction import objectives, optimizers
from faceleak.signals import Access, Comparison, Signal

ROOMS = {  # kind → its registry, what the files that are such parts define, some or all of them, a typo and its nearest
    "signal": (
        signals.registry,
        ("compute", "compare"),
        {"bn_distance", "bn_moments", "pixel_statistics", "embedding"},
    ),
    "defense": (defenses.registry, ("defend",), {"bn_perturbation"}),
    "bypass": (bypasses.registry, ("bypass",), {"bn_reestimation", "finetuning"}),
    "calibration": (calibration.registry, ("calibrate",), {"bavaria", "difference", "lira", "rmia"}),
    "attack model": (models.registry, ("fit",), {"cnn", "logistic", "mlp", "quantile"}),
    "term of the objective": (objectives.registry, ("value",), {"membership", "diversity"}),
    "optimizer": (optimizers.registry, ("maximize",), {"adam", "cma_es"}),
}
TYPOS = {
    "signal": ("bn_distanse", "bn_distance"),
    "defense": ("bn_pertubation", "bn_perturbation"),
    "bypass": ("bn_restimation", "bn_reestimation"),
    "calibration": ("lyra", "lira"),
    "attack model": ("logistics", "logistic"),
    "term of the objective": ("divercity", "diversity"),
    "optimizer": ("adm", "adam"),
    "source of faces": ("folders", "folder"),
}
REGISTRIES: dict[str, Registry[Any]] = {kind: room for kind, (room, _, _) in ROOMS.items()} | {sources.kind: sources}
COMPARING = {"anchor_similarity", "reference_similarity", "head_loss"}
PARTS = [(kind, name) for kind, (room, _, _) in ROOMS.items() for name in room.names()]
NO_PARTS = [
    (kind, name)
    for kind, room in REGISTRIES.items()
    for name in (sorted({*files_of(import_module(room.package))} - {*room.names()}) if room.package else ())
] + [(kind, name) for kind in REGISTRIES for name in ("", "../errors", "os", "errors", "registry", ".x", "x:", ":x")]


@pytest.mark.parametrize("kind", ROOMS)
def test_every_file_of_a_room_that_defines_what_its_kind_does_is_a_part_and_no_other(kind):
    registry, defined, some = ROOMS[kind]
    files = Path(import_module(registry.package).__path__[0]).glob("*.py")
    sources_of = {path.stem: path.read_text() for path in files if path.stem != "__init__"}
    assert registry.kind == kind
    assert registry.names() == sorted(
        name for name, text in sources_of.items() if any(f"\ndef {word}(" in text for word in defined)
    )
    assert some <= set(registry.names())


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_a_part_is_the_file_of_its_name(kind, name):
    registry, defined, _ = ROOMS[kind]
    found = registry.get(name)
    assert registry.get(name) is found
    assert registry.check(name) == name
    assert registry.module(name) == f"{registry.package}.{name}"
    functions = [getattr(found, word) for word in defined if hasattr(found, word)]
    assert [function.__module__ for function in functions] == [registry.module(name)]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones_and_how_to_name_ones_own(kind):
    (asked, nearest), registry = TYPOS[kind], REGISTRIES[kind]
    for look_up in (registry.get, registry.check, registry.module, registry.defined_by):
        with pytest.raises(
            UnknownNameError, match=rf"^There is no {kind} '{asked}'\. Did you mean '{nearest}'"
        ) as error:
            look_up(asked)
        assert all(name in str(error.value) for name in [*registry.names(), *registry.words])
        assert "package.module:object: see docs/own-parts.md" in str(error.value)
        assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize(("kind", "name"), NO_PARTS)
def test_what_is_no_part_is_not_imported(kind, name):
    before = set(sys.modules)
    for look_up in (REGISTRIES[kind].get, REGISTRIES[kind].check):
        with pytest.raises(UnknownNameError):
            look_up(name)
    assert {module for module in set(sys.modules) - before if module.startswith("faceleak")} == set()


def test_words_of_the_configuration_are_names_but_no_parts():
    assert calibration.registry.check("features") == "features"
    assert sources.check("csv") == "csv"
    assert sources.names() == []
    with pytest.raises(UnknownNameError, match="no calibration 'features'"):
        calibration.registry.get("features")


def test_an_annotation_checks_names_and_tells_them_to_the_reference():
    adapter = TypeAdapter(Annotated[str, calibration.registry])
    assert adapter.validate_python("rmia") == "rmia"
    assert adapter.json_schema() == {
        "type": "string",
        "examples": ["features", "bavaria", "difference", "lira", "rmia"],
    }
    with pytest.raises(ValidationError, match="There is no calibration 'rmja'"):
        adapter.validate_python("rmja")


def test_names_and_settings_are_told_without_torch():
    code = (
        "import sys; import faceleak.runs.configuration; from faceleak import defenses, signals; "
        "from faceleak.membership import models; "
        "from faceleak.reconstruction import optimizers; "
        "[room.registry.names() for room in (defenses, signals, models, optimizers)]; "
        "[defenses.registry.get(name) for name in defenses.registry.names()]; "
        "[models.registry.is_differentiable(name) for name in models.registry.names()]; "
        "assert optimizers.registry.constant('adam', 'TAKES_GRADIENTS'); "
        "assert not optimizers.registry.constant('cma_es', 'TAKES_GRADIENTS'); print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_signals_that_compare_are_known_by_what_they_define():
    found = {name: signals.registry.get(name) for name in signals.registry.names()}
    assert {name for name, signal in found.items() if isinstance(signal, Comparison)} == COMPARING
    assert {name for name in found if not signals.is_read_off_images(name)} == COMPARING
    assert all(signal.name == name and signal.access in get_args(Access) for name, signal in found.items())
    for name in COMPARING:
        with pytest.raises(UnknownNameError, match=f"'{name}' compares images with each other"):
            signals.registry.get_reader(name)


def test_signals_that_pass_more_images_through_the_backbone_say_how_many():
    passes = {
        signal.name: signal.extra_passes
        for signal in map(signals.registry.get, signals.registry.names())
        if isinstance(signal, Signal)
    }
    assert passes["bn_moments"] == passes["embedding"] == passes["pixel_statistics"] == 0
    assert passes["part_crop"] == 9
    assert passes["augmentation_similarity"] == 7


@pytest.mark.parametrize("name", defenses.registry.names())
def test_a_defense_has_settings_and_names_bypasses_that_there_are(name):
    module = defenses.registry.get(name)
    assert issubclass(module.Settings, Options)
    assert isinstance(module.BYPASSES, tuple)
    assert set(module.BYPASSES) <= set(bypasses.registry.names())


@pytest.mark.parametrize("name", bypasses.registry.names())
def test_a_bypass_says_what_it_takes_and_is_named_by_a_defense(name):
    module = bypasses.registry.get(name)
    assert module.ACCESS in get_args(AttackAccess)
    assert isinstance(module.IS_A_BACKBONE, bool)
    assert any(name in defenses.registry.get(defense).BYPASSES for defense in defenses.registry.names())


def test_what_models_define_says_who_can_use_them():
    told = dict.fromkeys(models.registry.names(), models.registry)
    assert [name for name, room in told.items() if room.is_differentiable(name)] == ["logistic", "mlp"]
    assert [name for name, room in told.items() if room.is_regularized(name)] == ["logistic"]
    assert [name for name, room in told.items() if room.regresses_a_score(name)] == ["quantile"]


def test_files_of_a_package_in_order():
    every = files_of(defenses)
    assert every == sorted(every)
    assert {"options", "bn_perturbation", "private"} < set(every)


def test_a_known_name_is_returned_and_a_near_one_is_suggested():
    assert check_name("lira", "calibration", ["lira", "rmia"], FaceleakError) == "lira"
    with pytest.raises(FaceleakError, match=r"no calibration 'lyra'\. Did you mean 'lira'\? Known: lira, rmia\."):
        check_name("lyra", "calibration", ["lira", "rmia"], FaceleakError)
    with pytest.raises(FaceleakError, match=r"'x'\. Known: lira"):
        check_name("x", "calibration", ["lira"], FaceleakError)
