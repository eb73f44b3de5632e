"""Signals that a user adds as files of the room: what they define says what they are."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from faceleak import signals
from faceleak.configuration import ConfigurationError, check_parameters
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.named import BrokenFileError
from faceleak.signals import registry
from faceleak.signals.columns import UnknownLayerError, columns_of, columns_of_layers
from faceleak.signals.reading import read_signals
from tests.test_configuration import parameters

COMPARING = """
from faceleak.signals.reference_similarity import ACCESS, COLUMNS, compare
"""
AT_LAYERS = """
from torch import Tensor, stack

from faceleak.backbones.batch_norm import bn_layers

ACCESS = "weights"
NEEDS = ("mean",)


def compute(seen) -> Tensor:
    return stack([part(seen.inputs[name].mean, 1) for name in seen.layers for part in (Tensor.amax, Tensor.amin)], 1)


def column_names(backbone) -> list[str]:
    return [f"{name}.{part}" for name in bn_layers(backbone) for part in ("highest", "lowest")]
"""
SAYS_ITS_LAYERS = """

def layer_of(column):
    return column.rpartition(".")[0]
"""
FILES = {
    "own_comparison": COMPARING,
    "own_layers": AT_LAYERS + SAYS_ITS_LAYERS,
    "own_unsaid": AT_LAYERS,
    "own_helper": "WIDTH = 3\n",
}
THIRDS = ("early", "middle", "late")


@pytest.fixture(autouse=True)
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files are files of the room."""
    for name, text in FILES.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(signals, "__path__", [*signals.__path__, str(tmp_path)])
    yield tmp_path
    for name in FILES:
        sys.modules.pop(f"faceleak.signals.{name}", None)


def test_a_file_that_compares_is_a_comparison_and_one_that_does_neither_is_no_signal():
    assert {"own_comparison", "own_layers", "own_unsaid"} < set(registry.names())
    assert "own_helper" not in registry.names()
    assert not registry.is_read_off_images("own_comparison")
    assert registry.is_read_off_images("own_layers")
    assert not any(f"faceleak.signals.{name}" in sys.modules for name in FILES)  # nothing was imported to know it
    assert isinstance(registry.get("own_comparison"), registry.Comparison)


def test_stage_2_refuses_a_comparison_before_any_work():
    assert not AttackOptions(signals=["bn_moments", "own_comparison"]).reads_single_images()
    asked = parameters("smoke")
    asked["membership"]["attacks"]["bn_moments"]["signals"] = ["bn_moments", "own_comparison"]
    asked["reconstruction"]["search"]["attack"] = "bn_moments"
    with pytest.raises(ConfigurationError, match=r"'bn_moments', but stage 2 climbs .* on signals of single images"):
        check_parameters(asked)


def test_own_signals_are_read_and_a_third_of_the_layers_is_a_third_of_their_columns(demo_store, tiny_backbone, compute):
    images = demo_store.manifest().head(12)
    table = read_signals(["own_comparison", "own_layers", "bn_distance"], tiny_backbone, demo_store, images, compute)
    assert len(columns_of("own_comparison", table)) == len(registry.get("own_comparison").columns)
    for third in THIRDS:
        layers = [column.removeprefix("bn_distance.") for column in columns_of_layers("bn_distance", table, third)]
        expected = [f"own_layers.{layer}.{part}" for layer in layers for part in ("highest", "lowest")]
        assert columns_of_layers("own_layers", table, third) == expected
        assert columns_of_layers("own_comparison", table, third) == columns_of("own_comparison", table)


@pytest.mark.parametrize("third", THIRDS)
def test_a_signal_that_does_not_say_its_layers_stops_a_third_of_them_before_any_work(third):
    columns = pd.DataFrame(columns=["own_unsaid.bn1.highest", "own_unsaid.bn1.lowest"])
    assert len(columns_of_layers("own_unsaid", columns, "all")) == 2
    told = "'own_unsaid' reads BN layers, .* Define `layer_of"
    with pytest.raises(UnknownLayerError, match=told):
        columns_of_layers("own_unsaid", columns, third)
    asked = parameters("smoke")["membership"]
    asked["attacks"]["own"] = {"signals": ["own_unsaid"], "layers": third}
    with pytest.raises(ValueError, match=told):
        MembershipOptions(**asked)
    asked["attacks"]["own"]["layers"] = "all"
    assert "own" in MembershipOptions(**asked).attacks


def test_a_file_that_is_no_python_is_named(room):
    (room / "own_broken.py").write_text("def compute(seen:\n")
    with pytest.raises(BrokenFileError, match=r"own_broken\.py is no Python .* Correct it"):
        registry.check_signal("own_broken")
