"""The glossary explains the values that users meet, and names nothing that the code does not know."""

import ast
import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

import faceleak
from faceleak.faces.options import StatedRole
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import ThreatModel
from faceleak.metrics.membership import POPULATIONS
from faceleak.reconstruction.search import SEARCH_STEPS
from faceleak.reporting.audit.parts import BY_WEIGHT
from faceleak.signals import Access

PROJECT = Path(__file__).parents[2]
TERM = re.compile(r"^\| (.*?) \|", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")


@pytest.fixture(scope="module")
def terms() -> set[str]:
    """What stands as code in the first column of the glossary's tables."""
    page = (PROJECT / "docs" / "glossary.md").read_text()
    return {word for term in TERM.findall(page) for word in CODE.findall(term)}


def _named_in(file: Path) -> set[str]:
    """Names and texts of a module, and the module itself."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    fields = [node.target.id for node in nodes if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    return {file.stem, *texts, *fields}


def _keys(tree: Any) -> set[str]:
    return (
        {key for name, below in tree.items() for key in (str(name), *_keys(below))} if isinstance(tree, dict) else set()
    )


def test_every_term_that_is_code_is_a_name_of_the_code_or_the_configuration(terms: set[str]) -> None:
    source, base = Path(faceleak.__file__).parent, PROJECT / "conf" / "base"
    known = set().union(*map(_named_in, source.rglob("*.py")))
    known |= set().union(*(_keys(yaml.safe_load(file.read_text())) for file in base.glob("parameters*.yml")))
    assert len(terms) > 40
    assert terms - known == set()


@pytest.mark.parametrize(
    "values",
    [
        get_args(StatedRole),
        get_args(ThreatModel),
        get_args(AttackerName),
        POPULATIONS,
        SEARCH_STEPS,
        BY_WEIGHT,
    ],
)
def test_every_value_of_these_is_explained(terms: set[str], values: tuple[str, ...]) -> None:
    assert set(values) <= terms


def test_every_access_is_named_where_access_is_explained() -> None:
    page = (PROJECT / "docs" / "glossary.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| access |"))
    assert set(get_args(Access)) <= set(CODE.findall(row))
