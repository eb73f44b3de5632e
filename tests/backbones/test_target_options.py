import pytest
from pydantic import ValidationError

from faceleak.backbones.card import Preprocessing
from faceleak.backbones.target_options import LoadOptions, TargetOptions

TRAIN = {"architecture": "iresnet_tiny", "epochs": 1}
LOAD = {"architecture": "iresnet50", "weights": "backbone.pt", "embedding_size": 512}


@pytest.mark.parametrize("source", ["train", "load"])
def test_the_source_has_a_block_that_describes_it(source):
    assert TargetOptions(source=source, train=TRAIN, load=LOAD).source == source
    other = {"train": LOAD, "load": TRAIN}[source]
    with pytest.raises(ValidationError, match=f"no block `{source}`"):
        TargetOptions(source=source, **{"load" if source == "train" else "train": other})


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"architecture": "iresnet5"}, "Did you mean 'iresnet50'"),
        ({"embedding_size": 0}, "embedding_size"),
        ({"weigths": "x"}, "weigths"),
        ({"normalization": "layer"}, "normalization"),
        ({"head": "head.safetensors"}, "`head` is given without `identities`"),
        ({"identities": "identities.txt"}, "`identities` is given without `head`"),
        ({"head_scale": 0}, "head_scale"),
        ({"factory": "torch.nn:Linear"}, "`architecture`.*or `factory`.*both are given"),
        ({"architecture": None}, "`architecture`.*or `factory`.*neither is given"),
        ({"architecture": "torch.nn:Linear"}, "'torch.nn:Linear' is a class: give it as `factory`"),
        ({"architecture": None, "factory": "nowhere_at_all:Net"}, "'nowhere_at_all' .*cannot be found"),
        ({"architecture": None, "factory": "torch.nn.Linear"}, "package.module:Class"),
        ({"arguments": {"width": 3}}, "`arguments` are those of a `factory`"),
        ({"sha256": "abc"}, "sha256"),
        ({"bn_eps": 0}, "bn_eps"),
        ({"bn_eps": 2e-5, "normalization": "folded"}, "`bn_eps` is for BN layers, and normalization is `folded`"),
        ({"bn_eps": 2e-5, "architecture": None, "factory": "torch.nn:Linear"}, "`bn_eps` is for an `architecture`"),
        ({"bn_eps": 2e-5, "architecture": None, "weights": "net.onnx"}, "`bn_eps` is for an `architecture`"),
        ({"preprocessing": "arcfase"}, "no preprocessing 'arcfase'. Did you mean 'arcface'"),
        ({"preprocessing": {"preset": "arcface", "fits": "pad"}}, "fits"),
    ],
)
def test_a_wrong_description_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        TargetOptions(source="load", load=LOAD | wrong)


def loaded(**changes) -> LoadOptions:
    return LoadOptions(**LOAD | changes)


def test_the_card_says_what_was_loaded():
    assert loaded(bn_eps=2e-5).card().bn_eps == 2e-5
    card = loaded(normalization="folded").card()
    assert (card.architecture, card.arguments, card.embedding_size) == ("iresnet50", {}, 512)
    assert card.normalization == "folded"
    own = loaded(architecture=None, factory="torch.nn:Linear", arguments={"in_features": 3}).card()
    assert (own.architecture, own.arguments) == ("torch.nn:Linear", {"in_features": 3})


def test_preprocessing_has_names_and_a_block_may_begin_with_one():
    assert loaded().preprocessing == loaded(preprocessing="arcface").preprocessing == Preprocessing()
    padded = loaded(preprocessing={"preset": "imagenet", "fit": "pad"}).preprocessing
    assert padded == loaded(preprocessing="imagenet").preprocessing.model_copy(update={"fit": "pad"})
    assert loaded(preprocessing={"image_size": [112, 96]}).preprocessing.image_size == (112, 96)
