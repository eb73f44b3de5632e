"""An ONNX file as the target: loaded, saved and loaded again like any other backbone."""

import pytest
import torch
from pydantic import ValidationError

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.checkpoint import BackboneError
from faceleak.backbones.factories import FactoryError
from faceleak.backbones.loading import load_backbone, load_checkpoint, save_backbone
from faceleak.backbones.target_options import LoadOptions
from faceleak.signals.observation import observe

from .conftest import KEPT

FACES = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def original() -> Backbone:
    torch.manual_seed(0)
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    return Backbone(build(card), card).eval()


def options(path, **changed) -> LoadOptions:
    return LoadOptions(weights=path, embedding_size=16, preprocessing={"image_size": 32}, **changed)


def load(path, **changed) -> Backbone:
    chosen = options(path, **changed)
    return load_checkpoint(chosen.card(), chosen.weights, chosen.sha256)


@torch.no_grad()
def test_it_gives_the_embeddings_and_bn_inputs_of_the_original(original, export):
    loaded = load(export(original.net, **KEPT))
    torch.testing.assert_close(loaded(FACES), original(FACES), atol=1e-5, rtol=1e-4)
    assert len(bn_layers(loaded)) == len(bn_layers(original))
    seen, expected = (observe(backbone, FACES, {"mean"}).inputs.values() for backbone in (loaded, original))
    for ours, theirs in zip(seen, expected, strict=True):
        torch.testing.assert_close(ours.mean, theirs.mean, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_saved_and_loaded_it_keeps_what_was_changed_since(original, export, tmp_path):
    loaded = load(export(original.net, **KEPT))
    for layer in bn_layers(loaded).values():
        layer.running_mean += 0.1
    save_backbone(loaded, tmp_path / "saved")
    again = load_backbone(tmp_path / "saved")
    assert torch.equal(again(FACES), loaded(FACES))
    assert again.weights_hash() == loaded.weights_hash()


def test_a_file_that_has_changed_since_is_refused(original, export, tmp_path):
    path = export(original.net, **KEPT)
    save_backbone(load(path), tmp_path / "saved")
    export(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 16)))
    with pytest.raises(BackboneError, match="was expected"):
        load_backbone(tmp_path / "saved")
    path.unlink()
    with pytest.raises(BackboneError, match="There is no weights file"):
        load_backbone(tmp_path / "saved")


def test_another_size_than_stated_is_refused(original, export):
    path = export(original.net, **KEPT)
    wrong = LoadOptions(weights=path, embedding_size=8, preprocessing={"image_size": 32})
    with pytest.raises(FactoryError, match=r"not \(2, 8\)"):
        load_checkpoint(wrong.card(), path)


def test_it_describes_its_network_itself(tmp_path):
    with pytest.raises(ValidationError, match="leave `architecture`"):
        options(tmp_path / "net.onnx", architecture="iresnet_tiny")
