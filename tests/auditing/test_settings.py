"""Settings of an audit from Python are those of `conf/base`, and follow the backbone where nobody says otherwise."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from faceleak import audit
from faceleak.auditing.settings import BASE, SettingsError, make_settings, merged, share_of_public_people
from faceleak.backbones.card import BackboneCard, Preprocessing

CONF = Path(__file__).parents[2] / "conf" / "base"
CARD = BackboneCard(
    architecture="iresnet18", embedding_size=256, preprocessing=Preprocessing(image_size=112), normalization="batch"
)


def made(card: BackboneCard = CARD, seed: int = 0, **changes):
    return make_settings(card, changes, None, Path("cache"), "cpu", seed)


def test_the_package_carries_conf_base() -> None:
    assert sorted(path.name for path in BASE.glob("parameters*.yml")) == sorted(
        path.name for path in CONF.glob("parameters*.yml")
    )
    assert all((BASE / path.name).read_text() == path.read_text() for path in CONF.glob("parameters*.yml"))


def test_defaults_are_those_of_conf_base() -> None:
    base = yaml.safe_load((CONF / "parameters_membership.yml").read_text())["membership"]
    found = made().membership
    assert list(found.attacks) == list(base["attacks"])
    assert found.threat_models == base["threat_models"]
    assert found.references.count == base["references"]["count"]
    assert found.references.training.seed == base["references"]["training"]["seed"]
    target = yaml.safe_load((CONF / "parameters_target.yml").read_text())["target"]
    assert found.references.training.epochs == target["train"]["epochs"]  # references are trained as the target is
    assert share_of_public_people() == 0.2


def test_references_are_networks_like_the_target() -> None:
    training = made().membership.references.training
    assert (training.architecture, training.image_size, training.embedding_size) == ("iresnet18", 112, 256)
    own = CARD.model_copy(update={"architecture": "my_package:Net"})
    assert made(own).membership.references.training.architecture == "iresnet_demo"
    assert made(own).membership.references.training.image_size == 112
    odd = own.model_copy(update={"preprocessing": Preprocessing(image_size=100)})
    assert made(odd).membership.references.training.image_size == 64
    smaller = {"references": {"training": {"architecture": "iresnet_tiny"}}}
    assert made(membership=smaller).membership.references.training.architecture == "iresnet_tiny"


def test_a_seed_is_added_to_all_seeds() -> None:
    first, second = made(), made(seed=7)
    for found, base in ((second, first),):
        assert found.faces.splits.seed == base.faces.splits.seed + 7
        assert found.membership.references.seed == base.membership.references.seed + 7
        assert found.membership.references.training.seed == base.membership.references.training.seed + 7
        assert found.bootstrap.seed == base.bootstrap.seed + 7


def test_null_takes_an_attack_away() -> None:
    assert "bavaria" not in made(membership={"attacks": {"bavaria": None}}).membership.attacks


def test_trees_are_merged_block_by_block() -> None:
    tree = {"a": {"b": 1, "c": [1]}, "d": 2}
    assert merged(tree, {"a": {"c": [2, 3]}, "e": 4}) == {"a": {"b": 1, "c": [2, 3]}, "d": 2, "e": 4}
    assert tree == {"a": {"b": 1, "c": [1]}, "d": 2}


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ({"settings": [1]}, r"^`settings` is \[1\], but it holds blocks by name: a dict\.$"),
        ({"seed": "a"}, r"^`seed` is 'a', but it is a whole number\.$"),
        ({"cache": __file__}, r"^`cache` is .*test_settings\.py, which is a file\. Name a folder\.$"),
    ],
)
def test_arguments_of_another_kind_are_told_before_faces_are_looked_at(argument: dict[str, Any], told: str) -> None:
    nowhere = dict.fromkeys(("members", "others", "auxiliary"), "nowhere")
    with pytest.raises(SettingsError, match=told):
        audit(None, **nowhere, **argument)
