import pytest
from pydantic import ValidationError

from faceleak.backbones.training_options import TrainingOptions

SMALLEST = {"architecture": "iresnet_tiny", "epochs": 1}


def test_architecture_and_epochs_suffice():
    options = TrainingOptions(**SMALLEST)
    assert (options.image_size, options.embedding_size, options.seed) == (112, 512, 0)


def test_an_unknown_key_is_named():
    with pytest.raises(ValidationError, match=r"learning_rte\n.*[Ee]xtra"):
        TrainingOptions(**SMALLEST, learning_rte=0.1)


def test_an_unknown_architecture_names_the_nearest():
    with pytest.raises(ValidationError, match="Did you mean 'iresnet_demo'"):
        TrainingOptions(architecture="iresnet_dmo", epochs=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"epochs": 1.5},
        {"batch_size": 1},
        {"image_size": 8},
        {"embedding_size": 1},
        {"learning_rate": 0},
        {"momentum": 1},
        {"weight_decay": -1e-4},
        {"warmup_share": 1},
        {"margin": 1.6},
        {"scale": 0},
        {"horizontal_flip": "sometimes"},
        {"augmentation": "weak"},
        {"normalization": "folded"},
        {"frozen_statistics": "some"},
    ],
)
def test_values_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainingOptions(**(SMALLEST | wrong))


@pytest.mark.parametrize("key", ["architecture", "epochs"])
def test_what_has_no_default_must_be_given(key):
    with pytest.raises(ValidationError, match=rf"{key}\n.*required"):
        TrainingOptions(**{name: value for name, value in SMALLEST.items() if name != key})


def test_without_batch_norm_there_are_no_statistics_to_freeze():
    assert TrainingOptions(**SMALLEST, frozen_statistics=True).normalization == "batch"
    with pytest.raises(ValidationError, match="frozen_statistics is about batch normalization"):
        TrainingOptions(**SMALLEST, frozen_statistics=True, normalization="group")
