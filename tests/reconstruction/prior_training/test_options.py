import pandas as pd
import pytest
from pydantic import ValidationError

from faceleak.reconstruction.prior_training.options import GanOptions, PriorTrainingOptions
from faceleak.reconstruction.prior_training.task import PriorTrainingError, hold_out

GAN = {"generator_width": 2, "discriminator_width": 2, "images": 100, "images_per_round": 30, "batch_size": 8}


def test_rounds_are_whole_batches():
    options = GanOptions.model_validate(GAN)
    assert (options.rounds, options.steps, options.images_shown(4)) == (4, 3, 96)


@pytest.mark.parametrize("wrong", [{"image_size": 96}, {"images_per_round": 7}, {"augmentation": {"overfitting": 1}}])
def test_values_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        GanOptions.model_validate(GAN | wrong)


def test_the_features_are_named_in_the_metrics():
    load = {"architecture": "mobilefacenet", "weights": "w.pt", "embedding_size": 128}
    assert PriorTrainingOptions(training=GAN).features_name == "evaluator"
    assert PriorTrainingOptions(training=GAN, features=load).features_name == "mobilefacenet"
    own = {"factory": "torch.nn:Identity", "embedding_size": 4}
    assert PriorTrainingOptions(training=GAN, features=own).features_name == "torch.nn.Identity"


def test_whole_people_are_held_out():
    images = pd.DataFrame({"image_id": range(60), "identity": [f"p{i % 20}" for i in range(60)]})
    parts = hold_out(images, 0.25, seed=0)
    by_person = parts.groupby("identity")["part"].unique()
    assert by_person.map(len).eq(1).all()
    assert (by_person.str[0] == "held_out").sum() == 5
    shuffled = hold_out(images.sample(frac=1, random_state=1), 0.25, seed=0).sort_index()
    pd.testing.assert_frame_equal(shuffled, parts)
    assert (hold_out(images, 0.25, seed=1)["part"] != parts["part"]).any()
    assert (hold_out(images, 0.01, seed=0).groupby("identity")["part"].first() == "held_out").sum() == 4


def test_too_few_people_are_an_error():
    images = pd.DataFrame({"image_id": range(7), "identity": range(7)})
    with pytest.raises(PriorTrainingError, match=r"has 7 people, and 4 of them would be held out"):
        hold_out(images, 0.2, seed=0)
