from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from faceleak.auditing.target import get_target
from faceleak.backbones.head import Head, read_head
from faceleak.backbones.loading import WEIGHTS, BackboneError, save_backbone
from faceleak.backbones.target_options import TargetOptions


@pytest.fixture
def files(tmp_path) -> tuple[Path, Path]:
    """A head of three classes for embeddings of 16, as somebody else may have saved it."""
    save_file({"weight": torch.arange(48.0).reshape(3, 16)}, tmp_path / "weight.safetensors")
    (tmp_path / "identities.txt").write_text("Zoé\nann b\n7\n", encoding="utf-8")
    return tmp_path / "weight.safetensors", tmp_path / "identities.txt"


@pytest.mark.parametrize("identities", [("b", "a"), ('Zoé, "q"', "line\nbreak")])
def test_what_is_saved_is_loaded_again(identities, tmp_path):
    head = Head(torch.randn(16, 2).T, identities, 0.1)
    head.save(tmp_path / "head.safetensors")
    loaded = Head.load(tmp_path / "head.safetensors", 16)
    assert torch.equal(loaded.weight, head.weight)
    assert (loaded.identities, loaded.scale) == (identities, 0.1)
    assert [path.name for path in tmp_path.iterdir()] == ["head.safetensors"]


def test_a_head_from_outside_is_read_with_its_identities_in_order(files):
    head = read_head(*files, 30.0, 16)
    assert head.identities == ("Zoé", "ann b", "7")
    assert head.weight.shape == (3, 16)
    assert head.scale == 30


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nb\n", "identities.txt names 2 identities, and the head has 3 classes. Give one identity a line"),
        ("a\nb\nc\nd\n", "names 4 identities, and the head has 3 classes"),
        ("a\nb\na\n", "identities.txt repeats 1 of its 3 identities. Give one identity a line, each once"),
        ("a\n\nb\n", "identities.txt leaves 1 of 3 classes without an identity"),
    ],
)
def test_identities_that_do_not_fit_the_classes_are_an_error(text, message, files):
    files[1].write_text(text)
    with pytest.raises(BackboneError, match=message):
        read_head(*files, 64.0, 16)


def test_a_mark_of_the_encoding_is_no_part_of_a_name(files):
    files[1].write_bytes("Zoë\r\n007\r\nNA\r\n".encode("utf-8-sig"))
    assert read_head(*files, 64.0, 16).identities == ("Zoë", "007", "NA")


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00\xd8"])
def test_identities_that_cannot_be_read_are_an_error(content, files):
    files[1].unlink()
    if content:
        files[1].write_bytes(content)
    with pytest.raises(BackboneError, match=r"identities.txt cannot be read.* one identity a line"):
        read_head(*files, 64.0, 16)


@pytest.mark.parametrize(
    ("tensors", "found"),
    [
        ({"weight": torch.zeros(16, 3)}, r"weight \(16, 3\)"),
        ({"weight": torch.zeros(48)}, r"weight \(48,\)"),
        ({"kernel": torch.zeros(3, 16)}, r"kernel \(3, 16\)"),
        ({}, "nothing"),
    ],
)
def test_a_weight_of_another_shape_is_an_error_that_says_what_is_there(tensors, found, files):
    save_file(tensors, files[0])
    with pytest.raises(
        BackboneError, match=rf"size 16: it holds {found}\. Save one tensor, `weight`, .*\(classes, 16\)"
    ):
        read_head(*files, 64.0, 16)


def test_a_missing_weight_is_an_error(files):
    files[0].unlink()
    with pytest.raises(BackboneError, match="no weights file"):
        read_head(*files, 64.0, 16)


@pytest.mark.parametrize(
    "metadata",
    [None, {"scale": "64"}, {"identities": '["a", "b", "c"]', "scale": "x"}, {"identities": "a", "scale": "1"}],
)
def test_a_head_that_does_not_say_whose_its_classes_are_is_an_error(metadata, tmp_path):
    save_file({"weight": torch.zeros(3, 16)}, tmp_path / "head.safetensors", metadata)
    with pytest.raises(BackboneError, match=r"head.safetensors does not say whose.*train the backbone again"):
        Head.load(tmp_path / "head.safetensors", 16)


def test_a_target_from_outside_gets_its_head(tiny_backbone, files, tmp_path, compute):
    save_backbone(tiny_backbone, tmp_path / "backbone")
    load = {
        "architecture": "iresnet_tiny",
        "weights": tmp_path / "backbone" / WEIGHTS,
        "embedding_size": 16,
        "preprocessing": {"image_size": 32},
    }
    with_head = load | {"head": files[0], "identities": files[1], "head_scale": 20}

    splits = pd.DataFrame({"identity": ["ann b"], "role": ["member"], "decided_by": ["list"]})

    def target(block: dict):
        return get_target(None, splits, TargetOptions(source="load", load=block), compute)

    assert target(load).head is None
    loaded = target(with_head)
    assert loaded.weights_hash() == tiny_backbone.weights_hash()
    assert (loaded.head.identities, loaded.head.scale) == (("Zoé", "ann b", "7"), 20)
