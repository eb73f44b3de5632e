import pytest

from faceleak import defenses
from faceleak.errors import FaceleakError
from faceleak.named import check_name, files_of


def test_files_of_a_room_besides_some():
    every = files_of(defenses, ())
    assert every == sorted(every)
    assert {"registry", "options", "bn_perturbation"} < set(every)
    assert files_of(defenses, {"registry", "options"}) == [n for n in every if n not in ("registry", "options")]


def test_a_known_name_is_returned_and_a_near_one_is_suggested():
    assert check_name("lira", "calibration", ["lira", "rmia"], FaceleakError) == "lira"
    with pytest.raises(FaceleakError, match=r"no calibration 'lyra'\. Did you mean 'lira'\? Known: lira, rmia\."):
        check_name("lyra", "calibration", ["lira", "rmia"], FaceleakError)
    with pytest.raises(FaceleakError, match=r"'x'\. Known: lira"):
        check_name("x", "calibration", ["lira"], FaceleakError)
