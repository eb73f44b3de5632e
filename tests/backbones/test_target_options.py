import pytest
from pydantic import ValidationError

from faceleak.backbones.target_options import TargetOptions

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
        ({"normalisation": "layer"}, "normalisation"),
        ({"head": "head.safetensors"}, "`head` is given without `identities`"),
        ({"identities": "identities.txt"}, "`identities` is given without `head`"),
        ({"head_scale": 0}, "head_scale"),
    ],
)
def test_a_wrong_description_is_refused(wrong, message):
    with pytest.raises(ValidationError, match=message):
        TargetOptions(source="load", load=LOAD | wrong)
