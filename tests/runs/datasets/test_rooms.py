"""What the rooms read and write comes back as it was."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from kedro.io.core import DatasetError
from safetensors.numpy import load_file

from faceleak.backbones.backbone import Backbone
from faceleak.faces.store import FaceStore
from faceleak.membership.attacks import Attack
from faceleak.membership.models.logistic import LogisticModel
from faceleak.membership.options import AttackOptions, ModelKey
from faceleak.reconstruction.arrays import (
    ComparedArray,
    MethodArray,
    ReconstructionArray,
    ReconstructionEmbeddings,
)
from faceleak.reconstruction.prior_training.networks import FaceGenerator
from faceleak.reconstruction.prior_training.trained import PriorCard, TrainedPrior
from faceleak.runs.datasets.rooms import (
    ArraysDataset,
    AttacksDataset,
    BackboneDataset,
    BackbonesDataset,
    FaceStoreDataset,
    FileDataset,
    PriorDataset,
)
from faceleak.work.checksummed import load_tree, save_arrays, save_tree


def test_backbone_round_trip(tmp_path: Path, tiny_backbone: Backbone) -> None:
    dataset = BackboneDataset(str(tmp_path / "target"))
    dataset.save(tiny_backbone)
    assert dataset.load().weights_hash() == tiny_backbone.weights_hash()


def test_backbones_keep_names_and_order_and_drop_what_is_no_longer_there(
    tmp_path: Path, tiny_backbone: Backbone
) -> None:
    dataset = BackbonesDataset(str(tmp_path / "variants"))
    dataset.save({"undefended": tiny_backbone, "bn_perturbation_0.1": tiny_backbone})
    dataset.save({"b": tiny_backbone, "a": tiny_backbone})
    assert list(dataset.load()) == ["b", "a"]
    assert {path.name for path in (tmp_path / "variants").iterdir()} == {"a", "b", "names.json"}


def test_attacks_round_trip(tmp_path: Path) -> None:
    model = LogisticModel(("x",), (0.0,), (1.0,), (2.0,), 0.5, 0.25)
    plain = Attack(AttackOptions(signals=["bn_distance"]), model, 0.25)
    fitted = {"population": [0.1, -1e-17], "gap": 0.0}
    calibrated = Attack(AttackOptions(signals=["bn_moments"], calibration="rmia"), model, 0.1 + 0.2, fitted)
    dataset = AttacksDataset(str(tmp_path / "attacks.json"))
    names = ModelKey("my_shadow", "partial_knowledge"), ModelKey("a", "shadow")
    dataset.save({"noisy": dict(zip(names, (plain, calibrated), strict=True)), "undefended": {}})
    assert list(load_tree(tmp_path / "attacks.json")["noisy"]) == ["my_shadow_partial_knowledge", "a_shadow"]
    loaded = dataset.load()
    assert list(loaded) == ["noisy", "undefended"]
    assert list(loaded["noisy"]) == [*names]
    for found, saved in zip(loaded["noisy"].values(), (plain, calibrated), strict=True):
        assert (found.options, found.model) == (saved.options, saved.model)
        assert (found.threshold, found.calibration) == (saved.threshold, saved.calibration)


def test_attacks_from_before_they_said_whose_they_are_are_refused(tmp_path: Path) -> None:
    save_tree(tmp_path / "attacks.json", {"undefended": {"bn_distance_shadow": {"threshold": 0.5}}})
    with pytest.raises(DatasetError, match=r"attacks\.json does not say which attack each of its models is"):
        AttacksDataset(str(tmp_path / "attacks.json")).load()


def test_prior_round_trip(tmp_path: Path) -> None:
    card = PriorCard(image_size=64, latent_size=8, width=2, training={"images": 3}, state={"images_shown": 9.0})
    prior = TrainedPrior(FaceGenerator(64, 8, 2), card)
    dataset = PriorDataset(str(tmp_path / "prior"))
    dataset.save(prior)
    loaded = dataset.load()
    assert loaded.card == card
    torch.testing.assert_close(loaded.generator.state_dict(), prior.generator.state_dict(), rtol=0, atol=0)


ARRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (ReconstructionArray("undefended", "plain", "optimized", "pixels"), "undefended/optimized/pixels"),
        (ReconstructionArray("a/b_static", "adaptive", "own/step", "ascent"), "a/b_static_adaptive/own/step/ascent"),
        (ReconstructionEmbeddings("first", "noise", "adaptive", "random"), "first/noise_adaptive/random"),
        (MethodArray("linear", "latents"), "linear/latents"),
        (ComparedArray("tuned", "optimized", "scores"), "tuned/optimized/scores"),
    ],
)
def test_arrays_come_back_by_their_records_and_have_a_name_in_the_file(tmp_path: Path, record: Any, name: str) -> None:
    path = tmp_path / "arrays.safetensors"
    dataset = ArraysDataset(str(path), f"{type(record).__module__}.{type(record).__name__}")
    dataset.save({record: ARRAY})
    ((found, array),) = dataset.load().items()
    assert (found, type(found)) == (record, type(record))
    np.testing.assert_array_equal(array, ARRAY)
    np.testing.assert_array_equal(load_file(path)[name], ARRAY)


def test_a_file_from_before_there_were_records_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "arrays.safetensors"
    save_arrays(path, {"linear/latents": ARRAY})
    with pytest.raises(DatasetError, match=r"an earlier faceleak wrote it\. Delete"):
        ArraysDataset(str(path), "faceleak.reconstruction.arrays.MethodArray").load()


def test_store_opens_what_was_packed(demo_store: FaceStore) -> None:
    loaded = FaceStoreDataset(str(demo_store.path)).load()
    assert len(loaded) == len(demo_store)
    assert torch.equal(torch.from_numpy(loaded.pixels(0)), torch.from_numpy(demo_store.pixels(0)))


def test_a_file_is_handed_on_by_its_path_and_not_written(tmp_path):
    dataset = FileDataset(str(tmp_path / "manifest.parquet"))
    assert dataset.load() == tmp_path / "manifest.parquet"
    with pytest.raises(DatasetError, match="only read"):
        dataset.save("a table")
    assert not list(tmp_path.iterdir())
