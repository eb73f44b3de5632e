"""A backbone trained on RGB faces in −1…1, fed rightly and wrongly."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from faceleak.auditing.preprocessing_check import (
    DECLARED,
    PreprocessingCheckError,
    _bounded,
    _center,
    check_preprocessing,
)
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.training import train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.backbones.training_task import TrainingTask
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.roc import MetricError
from faceleak.metrics.verification import sample_pairs
from tests.backbones.silent import nearly_silent

BOOTSTRAP = BootstrapOptions(resamples=200)
OPTIONS = TrainingOptions(
    architecture="iresnet_tiny",
    image_size=32,
    embedding_size=16,
    epochs=24,
    batch_size=8,
    learning_rate=0.05,
    margin=0.3,
    scale=16,
)


@pytest.fixture(scope="module")
def trained(demo_store, compute, tmp_path_factory):
    """Trained on all 12 people."""
    cache = tmp_path_factory.mktemp("preprocessing")
    task = TrainingTask("task", demo_store, demo_store.manifest(), OPTIONS, compute, cache)
    return train_backbones([task], compute)[0]


@pytest.fixture(scope="module")
def pairs(demo_store):
    """First images, second images and whether they show one person, of all images of the store."""
    manifest = demo_store.manifest()
    identities = manifest["identity"].to_numpy()
    first, second = sample_pairs(identities, 10_000, 0)
    images = manifest["image_id"].to_numpy()
    return images[first], images[second], identities[first] == identities[second]


@pytest.fixture(scope="module")
def right(trained, demo_store, pairs, compute):
    """What is found where the card is right."""
    return check_preprocessing(trained, demo_store, *pairs, compute, BOOTSTRAP)


def declared_as(backbone: Backbone, **changes) -> Backbone:
    preprocessing = backbone.card.preprocessing.model_copy(update=changes)
    return Backbone(backbone.net, backbone.card.model_copy(update={"preprocessing": preprocessing}))


def values(check, column="verification_auc"):
    return check.table.set_index("name")[column]


def test_the_right_card_has_no_warning_and_every_way_is_measured(right):
    assert right.warnings == []
    assert right.table["name"].tolist() == [
        DECLARED,
        "colors as BGR",
        "0…1",
        "ImageNet mean and std",
        "(0…255 − 127.5) / 128",
        "0…255",
        "center crop of 80 %",
    ]
    assert right.table.notna().all(axis=None)
    assert (right.table["verification_auc_ci_low"] <= right.table["verification_auc"]).all()
    assert values(right)[DECLARED] > 0.9
    assert values(right)["(0…255 − 127.5) / 128"] == pytest.approx(values(right)[DECLARED], abs=0.003)
    differences = values(right) - values(right)[DECLARED]
    pd.testing.assert_series_equal(differences, values(right, "difference"), check_names=False)


@pytest.mark.parametrize(
    ("changes", "remedy", "as_good"),
    [
        ({"color_order": "BGR"}, "colors as RGB", None),
        ({"mean": (0.0,) * 3, "std": (1 / 255,) * 3}, "mean 0.5, std 0.5", "(0…255 − 127.5) / 128"),
    ],
)
def test_a_wrong_card_is_told_what_is_better(right, trained, demo_store, pairs, compute, changes, remedy, as_good):
    check = check_preprocessing(declared_as(trained, **changes), demo_store, *pairs, compute, BOOTSTRAP)
    assert f"({remedy})" in check.warnings[0] or f"({as_good})" in check.warnings[0]
    assert "correct it" in check.warnings[0]
    assert values(check)[remedy] == values(right)[DECLARED]
    assert values(check, "difference_ci_low")[remedy] > 0


def test_an_eps_that_is_assumed_is_compared_with_the_usual_ones(right, trained, demo_store, pairs, compute):
    card = trained.card.model_copy(update={"training": {}})  # as one that comes from outside
    healthy = check_preprocessing(Backbone(trained.net, card), demo_store, *pairs, compute, BOOTSTRAP)
    assert healthy.table["name"].tolist()[-2:] == ["BN eps 2e-05", "BN eps 0.001"]
    assert healthy.warnings == []
    silent = nearly_silent(trained.net, 1e-3)
    for layer in bn_layers(silent).values():
        layer.eps = 1e-5
    check = check_preprocessing(Backbone(silent, card), demo_store, *pairs, compute, BOOTSTRAP)
    assert values(check)["BN eps 0.001"] == pytest.approx(values(right)[DECLARED], abs=1e-4)
    assert check.warnings[0].startswith("Faces fed another way (BN eps 0.001) verify clearly better than as the card")
    assert check.warnings[0].endswith("set target.load.bn_eps to 0.001.")
    assert {layer.eps for layer in bn_layers(silent).values()} == {1e-5}


def test_checking_changes_neither_weights_nor_mode(trained, demo_store, pairs, compute):
    before = trained.weights_hash()
    check_preprocessing(trained.train(), demo_store, *pairs, compute, BOOTSTRAP)
    assert trained.training
    assert trained.weights_hash() == before
    trained.eval()


class Overflowing(nn.Module):
    """Infinite above an input of 100, as half precision may be."""

    def forward(self, images):
        return torch.where(images > 100, torch.inf, images).mean((2, 3))


def test_a_way_that_gives_infinite_embeddings_is_listed_without_numbers(tiny_backbone, demo_store, pairs, compute):
    check = check_preprocessing(Backbone(Overflowing(), tiny_backbone.card), demo_store, *pairs, compute, BOOTSTRAP)
    assert check.table.set_index("name").loc["0…255"].isna().all()
    assert check.table["verification_auc"].notna().sum() == 6


def test_images_are_bounded(demo_store, pairs, compute, tiny_backbone):
    seen = []

    class Noting(nn.Module):
        def forward(self, images):
            seen.append(len(images))
            return images.mean((2, 3))

    check_preprocessing(Backbone(Noting(), tiny_backbone.card), demo_store, *pairs, compute, BOOTSTRAP, 50)
    assert sum(seen) == 7 * 50


def test_the_chosen_pairs_are_all_of_their_images_and_of_both_kinds(pairs):
    chosen = _bounded(*pairs, 20, seed=0)
    first, second, same_person = (array[chosen] for array in pairs)
    images = set(first) | set(second)
    assert len(images) == 20
    assert 5 <= same_person.sum() < len(same_person)
    assert len(chosen) == len({*map(frozenset, zip(first, second, strict=True))})
    inside = [one in images and other in images for one, other, _ in zip(*pairs, strict=True)]
    assert np.array_equal(np.flatnonzero(inside), chosen)
    assert len(_bounded(*pairs, 72, seed=0)) == len(pairs[0])


def test_the_center_keeps_four_fifths():
    faces = torch.zeros(1, 3, 100, 50)
    faces[..., 10:90, 5:45] = 1
    assert _center(faces).shape == (1, 3, 80, 40)
    assert _center(faces).min() == 1


def test_pairs_that_misfit_are_refused(tiny_backbone, demo_store, pairs, compute):
    first, second, same_person = pairs
    with pytest.raises(PreprocessingCheckError, match="are no list of pairs"):
        check_preprocessing(tiny_backbone, demo_store, first[1:], second, same_person, compute, BOOTSTRAP)


def test_pairs_of_one_kind_are_refused(tiny_backbone, demo_store, pairs, compute):
    genuine = tuple(array[pairs[2]] for array in pairs)
    with pytest.raises(MetricError, match="genuine and 0 impostor"):
        check_preprocessing(tiny_backbone, demo_store, *genuine, compute, BOOTSTRAP)
