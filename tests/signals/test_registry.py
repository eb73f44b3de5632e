from pathlib import Path
from typing import get_args

import pytest

from faceleak import signals
from faceleak.errors import FaceleakError
from faceleak.named import files_of
from faceleak.signals import registry
from faceleak.signals.registry import Comparison, Signal, UnknownSignalError, check_signal


def test_every_file_of_the_room_that_computes_or_compares_is_a_signal_and_no_other():
    sources = {path.stem: path.read_text() for path in Path(signals.__path__[0]).glob("*.py")}
    reading = {name for name, text in sources.items() if "\ndef compute(" in text}
    comparing = {name for name, text in sources.items() if "\ndef compare(" in text}
    assert set(registry.names()) == reading | comparing
    assert {name for name in registry.names() if isinstance(registry.get(name), Comparison)} == comparing
    assert {"bn_distance", "bn_moments", "pixel_statistics", "embedding"} <= reading
    assert comparing == {"anchor_similarity", "reference_similarity", "head_loss"}
    assert {name for name in registry.names() if not registry.is_read_off_images(name)} == comparing


@pytest.mark.parametrize("name", registry.names())
def test_a_signal_is_the_file_of_its_name(name):
    signal = registry.get(name)
    function = signal.compute if isinstance(signal, Signal) else signal.compare
    assert function.__module__ == f"faceleak.signals.{name}"
    assert signal.name == check_signal(name) == name
    assert signal.access in get_args(registry.Access)


def test_signals_that_pass_more_images_through_the_backbone_say_how_many():
    passes = {name: registry.get_reader(name).extra_passes for name in ("bn_moments", "embedding", "pixel_statistics")}
    assert passes == {"bn_moments": 0, "embedding": 0, "pixel_statistics": 0}
    assert registry.get_reader("part_crop").extra_passes == 9
    assert registry.get_reader("augmentation_similarity").extra_passes == 7


@pytest.mark.parametrize("name", ["anchor_similarity", "reference_similarity", "head_loss"])
def test_a_comparison_cannot_be_read_off_one_image(name):
    with pytest.raises(UnknownSignalError, match=f"'{name}' compares images with each other"):
        registry.get_reader(name)


@pytest.mark.parametrize("look_up", [registry.get, registry.get_reader, check_signal])
@pytest.mark.parametrize(
    ("asked", "nearest"), [("bn_distanse", "bn_distance"), ("pixel_statistic", "pixel_statistics")]
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(look_up, asked, nearest):
    with pytest.raises(UnknownSignalError, match=f"no signal '{asked}'. Did you mean '{nearest}'") as error:
        look_up(asked)
    assert all(name in str(error.value) for name in registry.names())
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize("name", [*sorted(set(files_of(signals, ())) - set(registry.names())), "", "../errors", "os"])
def test_what_is_not_a_signal_is_not_imported(name):
    with pytest.raises(UnknownSignalError):
        registry.get(name)
