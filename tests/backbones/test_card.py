import pytest
from pydantic import ValidationError

from faceleak.backbones.card import BackboneCard


def test_a_card_survives_json():
    card = BackboneCard(
        architecture="iresnet_tiny",
        embedding_size=16,
        preprocessing={"image_size": 64, "color_order": "BGR", "mean": (0.1, 0.2, 0.3), "std": (1, 2, 3)},
        normalization="folded",
        release={"noise": 0.5, "decimals": 2, "seed": 3},
        training={"images": 3, "seed": 0},
    )
    assert BackboneCard.model_validate_json(card.model_dump_json()) == card


def test_a_card_with_a_class_of_the_users_own_survives_json():
    card = BackboneCard(
        architecture="package.module:Class",
        arguments={"width": 3, "names": ["a"], "flag": None},
        embedding_size=16,
        preprocessing={"image_size": (112, 96), "fit": "pad"},
    )
    assert BackboneCard.model_validate_json(card.model_dump_json()) == card


def test_cards_do_not_share_what_they_say_of_training():
    first, second = (BackboneCard(architecture="iresnet_tiny", embedding_size=16) for _ in range(2))
    assert first.training == {}
    assert first.training is not second.training


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": 2},
        {"embedding_size": 0},
        {"preprocessing": {"image_size": 8}},
        {"preprocessing": {"image_size": (112, 8)}},
        {"preprocessing": {"image_size": (112, 96, 3)}},
        {"preprocessing": {"fit": "cover"}},
        {"preprocessing": {"std": (0.5, 0, 0.5)}},
        {"arguments": {"width": object()}},
        {"preprocessing": {"color_order": "GBR"}},
        {"preprocessing": {"mean": (0.5, 0.5)}},
        {"layers": 3},
        {"normalization": "layer"},
        {"release": {"noise": -0.1}},
    ],
)
def test_a_card_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        BackboneCard(**({"architecture": "iresnet_tiny", "embedding_size": 16} | wrong))


def test_a_card_of_before_there_were_choices_says_what_was_then():
    card = BackboneCard.model_validate({"version": 1, "architecture": "iresnet_tiny", "embedding_size": 16})
    assert (card.normalization, card.release) == ("batch", None)
