from pathlib import Path

import pytest

from faceleak import defenses
from faceleak.defenses import registry
from faceleak.defenses.registry import UnknownDefenseError, check_defense
from faceleak.errors import FaceleakError


def test_every_file_of_the_room_that_defends_is_a_defence_and_no_other():
    files = Path(defenses.__path__[0]).glob("*.py")
    defending = {path.stem for path in files if "\ndef defend(" in path.read_text()}
    assert set(registry.names()) == defending
    assert "bn_perturbation" in defending


@pytest.mark.parametrize("name", registry.names())
def test_a_defence_is_the_file_of_its_name(name):
    assert registry.get(name).__name__ == f"faceleak.defenses.{name}"
    assert check_defense(name) == name


@pytest.mark.parametrize("look_up", [registry.get, check_defense])
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones(look_up):
    with pytest.raises(UnknownDefenseError, match=r"no defence 'bn_pertubation'\. Did you mean 'bn_pert") as error:
        look_up("bn_pertubation")
    assert all(name in str(error.value) for name in registry.names())
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize("name", ["registry", "options", "undoing", "", "../errors"])
def test_what_is_not_a_defence_is_not_imported(name):
    with pytest.raises(UnknownDefenseError):
        registry.get(name)
