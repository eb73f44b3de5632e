from pathlib import Path

import pytest

from faceleak import signals
from faceleak.errors import FaceleakError
from faceleak.signals import registry
from faceleak.signals.registry import UnknownSignalError, check_signal


def test_every_file_of_the_room_that_reads_is_a_signal_and_no_other():
    files = {path.stem for path in Path(signals.__path__[0]).glob("*.py")} - {"__init__"}
    reading = {name for name in files if "\ndef read(" in (Path(signals.__path__[0]) / f"{name}.py").read_text()}
    assert set(registry.names()) == reading
    assert {"bn_distance", "bn_moments", "pixel_statistics"} <= reading


@pytest.mark.parametrize("name", registry.names())
def test_a_signal_is_the_file_of_its_name(name):
    assert registry.get(name).__name__ == f"faceleak.signals.{name}"
    assert check_signal(name) == name


@pytest.mark.parametrize("look_up", [registry.get, check_signal])
@pytest.mark.parametrize(
    ("asked", "nearest"), [("bn_distanse", "bn_distance"), ("pixel_statistic", "pixel_statistics")]
)
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(look_up, asked, nearest):
    with pytest.raises(UnknownSignalError, match=f"no signal '{asked}'. Did you mean '{nearest}'") as error:
        look_up(asked)
    assert all(name in str(error.value) for name in registry.names())
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize("name", ["registry", "reading", "pooling", "", "../errors", "os"])
def test_what_is_not_a_signal_is_not_imported(name):
    with pytest.raises(UnknownSignalError):
        registry.get(name)
