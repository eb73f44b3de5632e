"""The page on parts of one's own: its examples are files of tests/own_parts.py; here is what it says in tables."""

import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from faceleak.bypasses import OwnFaces
from faceleak.defenses.owner import Owner
from faceleak.faces.sources.source import Loss, SourceImage
from faceleak.membership.calibration.reference_scores import ReferenceScores
from faceleak.reconstruction.objectives import Sample
from faceleak.signals import Access, EmbeddedImages, Need
from faceleak.signals.observation import Observation

PAGE = (Path(__file__).parents[2] / "docs" / "own-parts.md").read_text()
GIVEN = [Observation, EmbeddedImages, Owner, OwnFaces, ReferenceScores, Sample, SourceImage, Loss]


@pytest.mark.parametrize("given", GIVEN, ids=lambda given: given.__name__)
def test_fields_of_what_a_part_is_given_are_those_of_the_code(given: type) -> None:
    (told,) = re.findall(rf"^\| [^|]*`{given.__name__}` \| (.*) \|$", PAGE, re.MULTILINE)
    names = [field.name for field in fields(given)]
    words = re.findall(r"`(\w+)`", told)
    assert [word for word in words if word in names] == names
    nested = {"map", "mean", "square", "Observation"}  # of what enters a layer
    assert set(words) - set(names) <= nested


def test_all_that_access_and_needs_may_be_is_told() -> None:
    (access,) = re.findall(r"`ACCESS` is the least that an attacker must hold: ([^(]*)", PAGE)
    (needs,) = re.findall(r"`NEEDS` are some of ([^.]*)", PAGE)
    assert set(re.findall(r"`(\w+)`", access)) == set(get_args(Access))
    assert set(re.findall(r"`(\w+)`", needs)) == set(get_args(Need))
