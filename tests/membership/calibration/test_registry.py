from pathlib import Path

import pytest

from faceleak.errors import FaceleakError
from faceleak.membership import calibration
from faceleak.membership.calibration import registry
from faceleak.membership.calibration.registry import UnknownCalibrationError, check_calibration


def test_every_file_of_the_room_that_calibrates_is_a_calibration_and_no_other():
    files = Path(calibration.__path__[0]).glob("*.py")
    assert registry.names() == sorted(file.stem for file in files if "\ndef calibrate(" in file.read_text())
    assert registry.names() == ["bavaria", "difference", "lira", "rmia"]


@pytest.mark.parametrize("name", registry.names())
def test_a_calibration_is_the_file_of_its_name(name):
    assert registry.get(name).__name__ == f"faceleak.membership.calibration.{name}"
    assert check_calibration(name) == name


@pytest.mark.parametrize("look_up", [registry.get, check_calibration])
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(look_up):
    with pytest.raises(UnknownCalibrationError, match=r"no calibration 'lyra'. Did you mean 'lira'\?") as error:
        look_up("lyra")
    assert all(name in str(error.value) for name in registry.names())
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize("name", ["registry", "student_t", "", "../errors"])
def test_what_is_not_a_calibration_is_not_imported(name):
    with pytest.raises(UnknownCalibrationError):
        registry.get(name)
