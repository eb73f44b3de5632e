"""Every architecture is recognized by names and shapes, whatever stands before them, and nothing is guessed."""

from itertools import cycle

import pytest
import torch

from faceleak.backbones import architectures, recognition
from faceleak.backbones.architectures import ARCHITECTURES, build
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.checkpoint import BackboneError
from faceleak.backbones.recognition import differences, fit_of, recognize

PUBLISHED = {  # embedding size and image size of the repositories' own weights, where they are not 512 and 112
    "mobilefacenet_bubbliiiing": (128, 112),
    "mobilefacenet_foamliu": (128, 112),
    "inception_resnet_v1": (512, 160),
}

PREFIXES = ("", "module.", "module.backbone.", "arcface.")


def names_and_shapes(architecture: str, embedding_size: int = 512, image_size=112) -> dict[str, torch.Tensor]:
    card = BackboneCard(
        architecture=architecture,
        embedding_size=embedding_size,
        preprocessing=Preprocessing(image_size=image_size),
    )
    with torch.device("meta"):
        return build(card).state_dict()


@pytest.mark.parametrize(("architecture", "prefix"), zip(ARCHITECTURES, cycle(PREFIXES)))
def test_published_weights_are_recognized(architecture: str, prefix: str) -> None:
    size = PUBLISHED.get(architecture, (512, 112))
    weights = {prefix + name: tensor for name, tensor in names_and_shapes(architecture, *size).items()}
    (fit,) = recognize(weights, "weights.pt").fits
    assert fit.card.architecture == architecture
    assert (fit.card.embedding_size, fit.card.preprocessing.image_size) == size
    assert fit.prefix == prefix
    assert fit.image_sizes == (() if architecture == "inception_resnet_v1" else ((112, 112),))


@pytest.mark.parametrize(
    ("architecture", "embedding_size", "image_size"),
    [("iresnet18", 256, (112, 96)), ("ir_50", 128, 224), ("mobilefacenet", 512, (96, 112)), ("iresnet_tiny", 32, 32)],
)
def test_embedding_and_image_size_are_read_off_the_shapes(architecture, embedding_size, image_size) -> None:
    fit = fit_of(architecture, names_and_shapes(architecture, embedding_size, image_size), "weights.pt")
    assert fit is not None
    assert (fit.card.embedding_size, fit.card.preprocessing.image_size) == (embedding_size, image_size)


def test_counters_are_not_needed_and_a_head_is_noticed() -> None:
    weights = {f"net.{n}": t for n, t in names_and_shapes("iresnet_demo").items() if "num_batches" not in n}
    weights |= {
        "head.weight": torch.empty(10575, 512, device="meta"),
        "net.kernel": torch.empty(512, 99, device="meta"),
    }
    (fit,) = recognize(weights, "weights.pt").fits
    assert fit.heads == {"head.weight": 10575, "net.kernel": 99}


def test_the_size_that_the_user_gives_is_taken_where_it_fits() -> None:
    weights = names_and_shapes("iresnet18")
    fit = fit_of("iresnet18", weights, "weights.pt", Preprocessing(image_size=100))
    assert fit is not None
    assert fit.card.preprocessing.image_size == 100
    fit = fit_of("iresnet18", weights, "weights.pt", Preprocessing(image_size=160))
    assert fit is not None
    assert fit.card.preprocessing.image_size == 112


def test_nothing_is_chosen_among_several_that_fit(monkeypatch) -> None:
    twins = {name: ARCHITECTURES[name] for name in ("iresnet_tiny", "mobilefacenet")}
    twins["iresnet_twin"] = twins["iresnet_tiny"]
    monkeypatch.setattr(architectures, "ARCHITECTURES", twins)
    monkeypatch.setattr(recognition, "ARCHITECTURES", twins)
    found = recognize(names_and_shapes("iresnet_tiny"), "weights.pt")
    assert [fit.card.architecture for fit in found.fits] == ["iresnet_tiny", "iresnet_twin"]


def test_two_networks_in_a_file_are_told() -> None:
    one = names_and_shapes("iresnet_tiny")
    with pytest.raises(BackboneError, match="holds several networks that fit"):
        recognize({f"{name}.{key}": tensor for name in ("model", "ema") for key, tensor in one.items()}, "weights.pt")


def test_of_others_the_nearest_is_named_with_what_differs() -> None:
    weights = dict(names_and_shapes("iresnet_tiny"))
    del weights["layer1.0.bn1.weight"]
    weights["layer2.0.conv1.weight"] = torch.empty(5, 16, 3, 3, device="meta")
    found = recognize(weights, "weights.pt")
    assert not found.fits
    assert found.nearest.startswith("iresnet_")
    assert 0.9 < found.share < 1
    assert differences("iresnet_tiny", weights)[:2] == [
        "layer1.0.bn1.weight (16,)",
        "layer2.0.conv1.weight (16, 16, 3, 3) and not (5, 16, 3, 3)",
    ]
    wider = dict(names_and_shapes("iresnet_tiny")) | {"conv1.weight": torch.empty(99, 3, 3, 3, device="meta")}
    assert not recognize(wider, "weights.pt").fits
