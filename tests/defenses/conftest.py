"""A tiny target with its owner and an attacker with faces of its own; one thread for all tests of the room."""

from collections.abc import Callable, Iterator

import pandas as pd
import pytest
from torch import nn

from faceleak.backbones.architectures import build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.loading import assemble
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.bypasses import OwnFaces
from faceleak.defenses.owner import Owner
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, single_threaded

COLUMNS = ["image_id", "identity", "sha256"]
OPTIONS = TrainingOptions(
    architecture="iresnet_tiny",
    image_size=32,
    embedding_size=16,
    epochs=2,
    batch_size=8,
    learning_rate=0.05,
    margin=0.3,
    scale=16,
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Let torch use one thread: batches are small, and results are compared to the bit."""
    with single_threaded():
        yield


@pytest.fixture(scope="session")
def training(demo_store: FaceStore, demo_splits: pd.DataFrame, compute: ComputeOptions) -> TrainingTask:
    """The target's training on the images of five people."""
    members = with_role(demo_splits, "member")[COLUMNS]
    return TrainingTask("the target", demo_store, members, OPTIONS, compute, compute.cache / "backbones")


@pytest.fixture
def owner(training: TrainingTask, demo_splits: pd.DataFrame, compute: ComputeOptions) -> Owner:
    """Who trained the target, and has 24 public faces of four people."""
    target = train_backbones([training], compute)[0]
    public = with_role(demo_splits, "unseen_identity")[COLUMNS]
    return Owner(target, training, training.store, public, compute)


@pytest.fixture
def own(demo_store: FaceStore, demo_splits: pd.DataFrame, compute: ComputeOptions) -> OwnFaces:
    """18 faces of three people, which the attacker has."""
    return OwnFaces(demo_store, with_role(demo_splits, "auxiliary")[COLUMNS], compute)


@pytest.fixture
def owner_of(owner: Owner) -> Callable[[nn.Module], Owner]:
    """Make an owner of a backbone that was not trained here, from its network."""
    return lambda net: Owner(Backbone(net, owner.backbone.card).eval(), None, owner.store, owner.public, owner.compute)


def with_group_norm(backbone: Backbone) -> Backbone:
    """A copy in eval mode with group normalization in the places of BN, and all other weights taken over."""
    card = backbone.card.model_copy(update={"normalization": "group"})
    names = build(card).state_dict().keys()
    weights = {name: tensor.detach() for name, tensor in backbone.net.state_dict().items() if name in names}
    return assemble(card, weights, "the target with BN")
