import sys
from pathlib import Path

import pytest

from faceleak import defenses
from faceleak.defenses import registry
from faceleak.defenses.registry import UnknownDefenseError
from faceleak.errors import FaceleakError
from faceleak.options import Options

OWN = """
from faceleak.options import Options

UNDOINGS = ()

class Settings(Options):
    strength: float

def defend(owner, settings, seed):
    return owner.backbone
"""


def test_every_file_of_the_room_that_defends_is_a_defence_and_no_other():
    files = Path(defenses.__path__[0]).glob("*.py")
    defending = {path.stem for path in files if "\ndef defend(" in path.read_text()}
    assert set(registry.names()) == defending
    assert "bn_perturbation" in defending


@pytest.mark.parametrize("name", registry.names())
def test_a_defence_is_the_file_of_its_name_and_has_what_a_defence_has(name):
    module = registry.get(name)
    assert module.__name__ == f"faceleak.defenses.{name}"
    assert issubclass(module.Settings, Options)
    assert isinstance(module.UNDOINGS, tuple)


def test_settings_of_all_defences_are_there_without_torch():
    import subprocess

    code = (
        "import sys; from faceleak.defenses import registry; "
        "[registry.get(name) for name in registry.names()]; print('torch' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones():
    with pytest.raises(UnknownDefenseError, match=r"no defence 'bn_pertubation'\. Did you mean 'bn_pert") as error:
        registry.get("bn_pertubation")
    assert all(name in str(error.value) for name in registry.names())
    assert isinstance(error.value, FaceleakError)


@pytest.mark.parametrize("name", ["registry", "options", "owner", "pieces", "private", "undoing", "", "errors"])
def test_what_is_not_a_defence_is_not_imported(name):
    with pytest.raises(UnknownDefenseError):
        registry.get(name)


def test_a_defence_of_ones_own_is_named_by_its_import_path(tmp_path, monkeypatch):
    (tmp_path / "own_room").mkdir()
    (tmp_path / "own_room" / "hiding.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.get("own_room.hiding").Settings(strength=1).strength == 1


def test_a_module_without_a_part_of_a_defence_is_refused(tmp_path, monkeypatch):
    (tmp_path / "lacking").mkdir()
    (tmp_path / "lacking" / "hiding.py").write_text("UNDOINGS = ()")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UnknownDefenseError, match="lacks Settings, defend"):
        registry.get("lacking.hiding")
