from pathlib import Path
from typing import get_args

import pytest

from faceleak.defenses import registry as defenses
from faceleak.defenses import undoing
from faceleak.defenses.undoing import registry
from faceleak.defenses.undoing.registry import UnknownUndoingError
from faceleak.membership.access import AttackAccess


def test_every_file_of_the_room_that_undoes_is_an_undoing_and_no_other():
    files = Path(undoing.__path__[0]).glob("*.py")
    assert set(registry.names()) == {path.stem for path in files if "\ndef undo(" in path.read_text()}


@pytest.mark.parametrize("name", registry.names())
def test_an_undoing_is_the_file_of_its_name_and_says_what_it_takes(name):
    module = registry.get(name)
    assert module.__name__ == f"faceleak.defenses.undoing.{name}"
    assert module.ACCESS in get_args(AttackAccess)
    assert isinstance(module.IS_A_BACKBONE, bool)


@pytest.mark.parametrize("name", registry.names())
def test_every_undoing_is_named_by_a_defence(name):
    assert any(name in defenses.get(defence).UNDOINGS for defence in defenses.names())


@pytest.mark.parametrize("name", defenses.names())
def test_defences_name_undoings_that_there_are(name):
    assert set(defenses.get(name).UNDOINGS) <= set(registry.names())


@pytest.mark.parametrize("name", ["registry", "bn_restimation", ""])
def test_an_unknown_name_is_answered_with_all_known_ones(name):
    with pytest.raises(UnknownUndoingError, match="bn_reestimation"):
        registry.get(name)
