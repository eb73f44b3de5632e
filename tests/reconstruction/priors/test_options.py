import pytest
from pydantic import ValidationError

from faceleak.reconstruction.priors.options import CROPS, PriorOptions

GENERATOR = {"factory": "torch.nn:Linear", "latent_size": 4, "output_range": [-1, 1]}


def test_the_demo_is_written_as_a_word() -> None:
    assert PriorOptions.model_validate("demo").kind == "demo"
    again = PriorOptions.model_validate(PriorOptions.model_validate("demo").model_dump(mode="json"))
    assert again == PriorOptions.model_validate("demo")


def test_blocks_say_which_prior_they_are() -> None:
    given = PriorOptions.model_validate({"stylegan2": {"weights": "ffhq.safetensors"}, "crop": "ffhq_to_arcface"})
    assert given.kind == "stylegan2"
    assert given.stylegan2 is not None
    assert (given.stylegan2.latent_space, given.stylegan2.truncation, given.stylegan2.noise) == ("z", 0.7, "constant")
    assert given.crop == CROPS["ffhq_to_arcface"]
    assert PriorOptions.model_validate(GENERATOR).kind == "factory"
    assert PriorOptions.model_validate({"principal_components": {"count": 9}}).kind == "principal_components"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("stylegan", "there is no prior 'stylegan'; write `demo`"),
        ({}, "found none"),
        ({"demo": True, **GENERATOR}, "found demo and factory"),
        ({"stylegan2": {"weights": "a", "latent_space": "s"}}, "latent_space"),
        ({"stylegan2": {"weights": "a", "truncation": 0}}, "truncation"),
        ({"stylegan2": {"weights": "a", "sha256": "12"}}, "sha256"),
        ({"stylegan2": {"weights": "a"}, "latent_size": 4}, "`latent_size` belongs to a `factory`"),
        ({"factory": "torch.nn:Linear"}, "needs `latent_size`"),
        ({**GENERATOR, "factory": "nowhere.at_all:Net"}, "cannot be found"),
        ({**GENERATOR, "output_range": [1, 1]}, "two different numbers"),
        ({"demo": True, "crop": "arcface"}, "there is no crop 'arcface'; known: ffhq_to_arcface"),
    ],
)
def test_what_is_wrong_is_said(given: object, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        PriorOptions.model_validate(given)
