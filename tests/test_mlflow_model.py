import mlflow
import pytest
import torch

from faceleak.backbones.architectures import build
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.factories import FactoryError
from faceleak.backbones.loading import load_backbone, load_checkpoint, save_backbone
from faceleak.backbones.target_options import LoadOptions
from faceleak.mlflow_model import MlflowModelError

FACTORY = "faceleak.mlflow_model:MlflowModel"
FACES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def saved(tmp_path):
    """A small backbone as an MLflow model, and the network itself."""
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=16, preprocessing=Preprocessing(image_size=32))
    torch.manual_seed(0)
    net = build(card).eval()
    mlflow.pytorch.save_model(net, str(tmp_path / "model"), pip_requirements=[], serialization_format="pickle")
    return str(tmp_path / "model"), net


def options(uri: str, **arguments) -> LoadOptions:
    return LoadOptions(
        factory=FACTORY,
        arguments={"uri": uri, **arguments},
        embedding_size=16,
        preprocessing={"image_size": 32, "mean": (0, 0, 0), "std": (1, 1, 1)},
    )


@torch.no_grad()
def test_a_trusted_model_is_loaded_with_its_weights(saved, tmp_path):
    uri, net = saved
    backbone = load_checkpoint(options(uri, run_its_code=True).card(), None)
    torch.testing.assert_close(backbone(FACES), net(FACES))
    save_backbone(backbone, tmp_path / "target")
    assert torch.equal(load_backbone(tmp_path / "target")(FACES), backbone(FACES))


@pytest.mark.parametrize("arguments", [{}, {"run_its_code": False}, {"run_its_code": "yes"}])
def test_nothing_is_loaded_unless_it_is_said_to_be_trusted(arguments, saved, monkeypatch):
    monkeypatch.setattr(mlflow.pytorch, "load_model", lambda *_, **__: pytest.fail("it was loaded"))
    with pytest.raises(MlflowModelError, match="runs whatever code"):
        load_checkpoint(options(saved[0], **arguments).card(), None)


def test_a_model_that_is_not_there_is_named(tmp_path):
    with pytest.raises((MlflowModelError, FactoryError), match="nowhere"):
        load_checkpoint(options(str(tmp_path / "nowhere"), run_its_code=True).card(), None)
