import json
import pickle
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceleak.backbones.architectures import UnknownArchitectureError, build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.head import Head
from faceleak.backbones.loading import (
    CARD,
    HEAD,
    SHOWN_KEYS,
    WEIGHTS,
    BackboneError,
    assemble,
    load_backbone,
    read_weights,
    save_backbone,
)
from faceleak.pieces import DiskError

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


@pytest.fixture
def folder(tiny_backbone, tmp_path) -> Path:
    """A folder with the saved tiny backbone."""
    save_backbone(tiny_backbone, tmp_path / "backbone")
    return tmp_path / "backbone"


def test_what_is_saved_is_loaded_again_to_the_bit(tiny_backbone, folder):
    loaded = load_backbone(folder)
    torch.testing.assert_close(loaded.state_dict(), tiny_backbone.state_dict(), rtol=0, atol=0)
    assert loaded.weights_hash() == tiny_backbone.weights_hash()
    assert loaded.card == tiny_backbone.card
    assert not any(module.training for module in loaded.modules())
    faces = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded(faces), tiny_backbone(faces))
    assert sorted(path.name for path in folder.iterdir()) == [CARD, WEIGHTS]


@pytest.mark.parametrize("normalisation", ["group", "folded"])
def test_nets_of_every_normalisation_are_saved_and_loaded(normalisation, tiny_backbone, tmp_path):
    card = tiny_backbone.card.model_copy(update={"normalisation": normalisation})
    backbone = Backbone(build(card), card)
    save_backbone(backbone, tmp_path)
    assert load_backbone(tmp_path).weights_hash() == backbone.weights_hash()
    with pytest.raises(BackboneError, match="Name the architecture, normalisation"):
        assemble(tiny_backbone.card, read_weights(tmp_path / WEIGHTS), "other")


def test_the_head_goes_where_the_backbone_goes_and_does_not_outlive_it(tiny_backbone, tmp_path):
    before = tiny_backbone.weights_hash()
    tiny_backbone.head = Head(torch.randn(3, 16), ("c", "a", "b"), 30.0)
    assert tiny_backbone.weights_hash() == before
    save_backbone(tiny_backbone, tmp_path)
    head = load_backbone(tmp_path).head
    assert torch.equal(head.weight, tiny_backbone.head.weight)
    assert (head.identities, head.scale) == (("c", "a", "b"), 30.0)
    tiny_backbone.head = None
    save_backbone(tiny_backbone, tmp_path)
    assert not (tmp_path / HEAD).exists()
    assert load_backbone(tmp_path).head is None


def test_saving_leaves_the_backbone_as_it_came(tiny_backbone, tmp_path):
    before = deepcopy(tiny_backbone.state_dict())
    save_backbone(tiny_backbone.train(), tmp_path)
    assert tiny_backbone.training
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert tiny_backbone.net.conv1.weight.is_contiguous(memory_format=torch.channels_last)


def test_loading_leaves_the_global_generator_alone(folder):
    before = torch.get_rng_state()
    load_backbone(folder)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_killed_save_leaves_no_card_without_weights(tiny_backbone, tmp_path, monkeypatch):
    def fail(weights, path):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(DiskError, match="No space left"):
        save_backbone(tiny_backbone, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_missing_folder_or_file_is_named(folder, tmp_path):
    with pytest.raises(BackboneError, match=r"no backbone in .*nowhere.*kedro run --pipeline=target"):
        load_backbone(tmp_path / "nowhere")
    (folder / WEIGHTS).unlink()
    with pytest.raises(BackboneError, match=f"no weights file .*{WEIGHTS}"):
        load_backbone(folder)
    with pytest.raises(BackboneError, match="no weights file"):
        read_weights(tmp_path)  # a folder


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"\xff\xfe\x00", b"[]", b"{}", b'{"version": 2, "architecture": "iresnet_tiny"}']
)
def test_a_damaged_card_is_one_clear_error(content, folder):
    (folder / CARD).write_bytes(content)
    with pytest.raises(BackboneError, match=f"{CARD} is not the card of a backbone"):
        load_backbone(folder)


def test_a_card_of_an_unknown_architecture_names_the_nearest(folder):
    card = json.loads((folder / CARD).read_text()) | {"architecture": "iresnet_tin"}
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(UnknownArchitectureError, match="iresnet_tiny"):
        load_backbone(folder)


def test_everything_that_misfits_is_listed_in_one_error(tiny_backbone):
    weights = dict(tiny_backbone.net.state_dict())
    del weights["bn1.bias"], weights["fc.bias"]
    weights["head.weight"] = torch.zeros(2)
    weights["conv1.weight"] = torch.zeros(16, 1, 3, 3)
    weights["features.running_var"] = torch.zeros(5)
    with pytest.raises(BackboneError) as error:
        assemble(tiny_backbone.card, weights, "somewhere.pt")
    message = str(error.value)
    assert "somewhere.pt do not fit the architecture iresnet_tiny" in message
    assert "2 missing (bn1.bias; fc.bias)" in message
    assert "1 unexpected (head.weight)" in message
    assert "2 of another shape (conv1.weight: (16, 1, 3, 3), expected (16, 3, 3, 3); " in message
    assert "features.running_var: (5,), expected (16,))" in message


def test_a_long_list_is_cut_short_but_counted(tiny_backbone):
    with pytest.raises(BackboneError) as error:
        assemble(tiny_backbone.card, {}, "empty.pt")
    names = list(tiny_backbone.net.state_dict())
    shown = "; ".join(names[:SHOWN_KEYS])
    assert f"{len(names)} missing ({shown}; …)" in str(error.value)
    assert "unexpected" not in str(error.value)


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_tensors_alone_are_loaded(name, zipped, tiny_backbone, tmp_path):
    torch.save(tiny_backbone.net.state_dict(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / name)
    torch.testing.assert_close(weights, dict(tiny_backbone.net.state_dict()), rtol=0, atol=0)
    assert assemble(tiny_backbone.card, weights, name).weights_hash() == tiny_backbone.weights_hash()


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def save_bomb(content, path: Path, form: str) -> None:
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(form, suffix, tmp_path):
    created, path = tmp_path / "created", tmp_path / f"bomb{suffix}"
    save_bomb({"conv1.weight": torch.zeros(2), "more": Bomb(created)}, path, form)
    with pytest.raises(BackboneError, match=r"more than tensors.*can run code.*torch\.save\(model\.state_dict\(\)"):
        read_weights(path)
    assert not created.exists()
    if form == "pickle":
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert created.exists()  # it does explode for those who let it


def test_a_pickle_called_safetensors_is_not_run_either(tmp_path):
    created, path = tmp_path / "created", tmp_path / "bomb.safetensors"
    save_bomb({"more": Bomb(created)}, path, "pickle")
    with pytest.raises(BackboneError, match="damaged or not a weights file"):
        read_weights(path)
    assert not created.exists()


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"conv1.weight": torch.zeros(2)}, "epoch": 3},
        {"conv1.weight": [0.0, 1.0]},
        {0: torch.zeros(2)},
        torch.zeros(2),
        [torch.zeros(2)],
    ],
)
def test_what_is_not_a_plain_state_dict_is_an_error_that_says_what_to_save(content, tmp_path):
    torch.save(content, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"plain state dict.*Save model\.state_dict\(\)"):
        read_weights(tmp_path / "weights.pt")


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights.bin"])
@pytest.mark.parametrize("content", [b"", b"hello world\n", b"<html>404</html>", b"\x80", b"PK\x03\x04"])
def test_files_of_something_else_are_one_clear_error(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackboneError, match=f"{name} (is damaged|holds more than tensors, or is damaged)"):
        read_weights(tmp_path / name)


def weights_file(form: str, folder: Path) -> Path:
    from safetensors.torch import save_file

    weights = {f"layer{i}.weight": torch.arange(35.0).reshape(5, 7) + i for i in range(3)}
    path = folder / ("weights.safetensors" if form == "safetensors" else "weights.pt")
    if form == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=form == "zip")
    return path


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_a_truncated_file_is_one_clear_error_wherever_it_ends(form, tmp_path):
    path = weights_file(form, tmp_path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(BackboneError, match="damaged"):
            read_weights(path)


@pytest.mark.parametrize("form", ["safetensors", "zip", "legacy"])
def test_damaged_bytes_never_end_in_the_error_of_a_library(form, tmp_path):
    path = weights_file(form, tmp_path)
    content = path.read_bytes()

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=4))
    def check(changes):
        damaged = bytearray(content)
        for place, value in changes:
            damaged[place] = value
        path.write_bytes(damaged)
        try:
            weights = read_weights(path)  # the numbers themselves may have changed unnoticed
        except BackboneError:
            return
        assert all(isinstance(tensor, torch.Tensor) for tensor in weights.values())

    check()
