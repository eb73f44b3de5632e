import hashlib
import json
import logging
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faceleak.backbones import factories
from faceleak.backbones.architectures import UnknownArchitectureError, build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.checkpoint import SHOWN_KEYS, read_checkpoint
from faceleak.backbones.factories import FactoryError
from faceleak.backbones.folding import fold
from faceleak.backbones.head import Head
from faceleak.backbones.loading import (
    CARD,
    HEAD,
    WEIGHTS,
    BackboneError,
    assemble,
    load_backbone,
    load_checkpoint,
    save_backbone,
)
from faceleak.signals import registry as signals
from faceleak.signals.observation import observe
from faceleak.work.checksummed import SealError
from faceleak.work.compute import run_tasks
from faceleak.work.tasks import DiskError

from .silent import nearly_silent


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


@pytest.mark.parametrize("normalization", ["group", "folded"])
def test_nets_of_every_normalization_are_saved_and_loaded(normalization, tiny_backbone, tmp_path):
    card = tiny_backbone.card.model_copy(update={"normalization": normalization})
    backbone = Backbone(build(card), card)
    save_backbone(backbone, tmp_path)
    assert load_backbone(tmp_path).weights_hash() == backbone.weights_hash()
    with pytest.raises(BackboneError, match="Name the architecture, normalization"):
        assemble(tiny_backbone.card, read_checkpoint(tmp_path / WEIGHTS), "other")


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
    def fail(weights, path, metadata):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(DiskError, match="No space left"):
        save_backbone(tiny_backbone, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []


def test_weights_altered_behind_our_back_are_found_by_their_hash(folder):
    path = folder / "backbone.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SealError, match=rf"{path} is damaged or was altered .*Delete {folder} and run"):
        load_backbone(folder)


def test_a_backbone_without_hash_and_version_is_read_and_one_of_a_newer_version_is_told(folder, tiny_backbone):
    save_file(read_checkpoint(folder / "backbone.safetensors"), folder / "backbone.safetensors")  # as of version 0
    card = json.loads((folder / "backbone.json").read_text())
    (folder / "backbone.json").write_text(json.dumps({key: card[key] for key in card if key != "version"}))
    assert load_backbone(folder).weights_hash() == tiny_backbone.weights_hash()
    (folder / "backbone.json").write_text(json.dumps({**card, "version": 2}))
    with pytest.raises(SealError, match=r"backbone\.json has format version 2, .*Update faceleak"):
        load_backbone(folder)


def test_a_missing_folder_or_file_is_named(folder, tmp_path):
    with pytest.raises(BackboneError, match=r"no backbone in .*nowhere.*kedro run --pipelines=target"):
        load_backbone(tmp_path / "nowhere")
    (folder / WEIGHTS).unlink()
    with pytest.raises(SealError, match=rf"{WEIGHTS} is missing. Delete {folder} and run the same command"):
        load_backbone(folder)
    with pytest.raises(BackboneError, match="no weights file"):
        read_checkpoint(tmp_path)  # a folder


@pytest.mark.parametrize(
    "content", [b"", b"not JSON", b"\xff\xfe\x00", b"[]", b"{}", b'{"version": 1, "architecture": "iresnet_tiny"}']
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


@pytest.fixture
def own_networks(monkeypatch):
    """Let `own_networks` be found, as a package that the user has installed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("own_networks", None)


def own_card(**changes) -> BackboneCard:
    described = {"architecture": "own_networks:Own", "arguments": {"size": 5}, "embedding_size": 5}
    return BackboneCard(preprocessing=Preprocessing(image_size=(16, 24)), **described | changes)


def test_a_class_of_the_users_own_is_loaded_saved_and_loaded_again(own_networks, tmp_path):
    card = own_card()
    torch.save({"model": build(card).state_dict()}, tmp_path / "own.pt")
    backbone = load_checkpoint(card, tmp_path / "own.pt")
    save_backbone(backbone, tmp_path / "saved")
    faces = torch.rand(2, 3, 16, 24)
    assert torch.equal(load_backbone(tmp_path / "saved")(faces), backbone(faces))
    assert backbone(faces).shape == (2, 5)
    with pytest.raises(FactoryError, match=r"\(2, 5\) for two images, not \(2, 7\)"):
        load_checkpoint(own_card(embedding_size=7), tmp_path / "own.pt")


def test_a_class_that_views_and_gives_two_things_is_told_what_it_gives(own_networks, tmp_path):
    card = own_card(architecture="own_networks:ViewingTwice", arguments={})
    torch.save(build(card).state_dict(), tmp_path / "own.pt")
    with pytest.raises(FactoryError, match="tuple"):
        load_checkpoint(card, tmp_path / "own.pt")


@pytest.mark.parametrize("name", ["Viewing", "Strided"])
def test_a_class_that_cannot_take_channels_last_gets_contiguous_images_everywhere(name, own_networks, tmp_path, caplog):
    card = own_card(architecture=f"own_networks:{name}")
    plain = build(card).eval()
    torch.save(plain.state_dict(), tmp_path / "own.pt")
    factories._say_contiguous.cache_clear()
    caplog.clear()
    with caplog.at_level(logging.INFO):
        backbone = load_checkpoint(card, tmp_path / "own.pt")
        save_backbone(backbone, tmp_path / "saved")
        again = load_backbone(tmp_path / "saved")
    assert caplog.text.count(f"{name} cannot take images in the channels-last layout") == 1
    faces = torch.rand(2, 3, 16, 24)
    expected = plain.to(memory_format=torch.contiguous_format)((faces - 0.5) / 0.5)
    assert backbone.layout == torch.contiguous_format
    for copy in (backbone, again, deepcopy(backbone), Backbone(backbone.net, card), fold(backbone)):
        torch.testing.assert_close(copy(faces), expected, rtol=1e-4, atol=1e-5)
        inputs = faces.clone().requires_grad_()
        copy(inputs).sum().backward()
        assert inputs.grad.abs().sum() > 0
    assert observe(backbone, faces, needs=signals.get("bn_distance").needs) is not None


def test_a_class_that_takes_both_layouts_gets_channels_last(own_networks):
    backbone = Backbone(build(own_card()), own_card())
    assert backbone.layout == torch.channels_last
    assert backbone.net.first.weight.is_contiguous(memory_format=torch.channels_last)


def embedding_in_a_process(folder: Path) -> list[float]:
    return load_backbone(folder)(torch.full((1, 3, 16, 24), 0.3))[0].tolist()


def test_a_class_of_the_users_own_is_found_in_worker_processes(own_networks, tmp_path, compute):
    card = own_card()
    save_backbone(Backbone(build(card), card), tmp_path)
    two = compute.model_copy(update={"workers": 2})
    first, second = run_tasks(embedding_in_a_process, [tmp_path, tmp_path], two)
    assert first == second == pytest.approx(embedding_in_a_process(tmp_path), abs=1e-5)


def test_the_hash_is_checked_before_the_file_is_read(tiny_backbone, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(b"not weights at all")
    found, other = hashlib.sha256(path.read_bytes()).hexdigest(), "0" * 64
    with pytest.raises(BackboneError, match=f"SHA-256 {found}, but {other} was expected"):
        load_checkpoint(tiny_backbone.card, path, other)
    torch.save(tiny_backbone.net.state_dict(), path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert load_checkpoint(tiny_backbone.card, path, found.upper()).weights_hash() == tiny_backbone.weights_hash()


def test_a_training_checkpoint_is_loaded_without_prefix_head_and_counters(tiny_backbone, tmp_path, caplog):
    weights = {
        f"module.backbone.{name}": tensor
        for name, tensor in tiny_backbone.net.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    head = {"module.head.weight": torch.zeros(100, 16)}
    torch.save({"epoch": 3, "state_dict": weights | head, "optimizer": {"lr": 0.1}}, tmp_path / "last.ckpt")
    with caplog.at_level(logging.INFO):
        backbone = load_checkpoint(tiny_backbone.card, tmp_path / "last.ckpt")
    faces = torch.rand(2, 3, 32, 32)
    assert torch.equal(backbone(faces), tiny_backbone(faces))
    assert "dropped, as no part of the backbone: module.head.weight" in caplog.text
    assert "the names begin with 'module.backbone.'" in caplog.text


def test_the_eps_of_the_training_gives_the_networks_own_embeddings_and_travels_with_it(tiny_backbone, tmp_path, caplog):
    torch.save(nearly_silent(tiny_backbone.net, 2e-5).state_dict(), tmp_path / "of_mxnet.pt")
    given = tiny_backbone.card.model_copy(update={"bn_eps": 2e-5})
    faces = torch.rand(8, 3, 32, 32)
    with caplog.at_level(logging.INFO):
        assumed = load_checkpoint(tiny_backbone.card, tmp_path / "of_mxnet.pt")
    assert (
        "of_mxnet.pt does not hold BN's eps, as no state dict does: that of iresnet_tiny is assumed, 1e-05"
        in caplog.text
    )
    caplog.clear()
    with caplog.at_level(logging.INFO):
        loaded = load_checkpoint(given, tmp_path / "of_mxnet.pt")
    assert "eps" not in caplog.text
    expected = tiny_backbone(faces)
    assert torch.nn.functional.cosine_similarity(assumed(faces), expected).max() < 0.99
    torch.testing.assert_close(loaded(faces), expected, rtol=1e-3, atol=1e-3)
    save_backbone(loaded, tmp_path / "saved")
    again = load_backbone(tmp_path / "saved")
    assert again.card.bn_eps == 2e-5
    assert torch.equal(again(faces), loaded(faces))
    torch.testing.assert_close(fold(again)(faces), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["iresnet_tiny", "mobilefacenet"])
def test_every_bn_layer_gets_the_eps_of_the_card(architecture, tiny_backbone):
    def eps_of(card: BackboneCard) -> set[float]:
        return {layer.eps for layer in bn_layers(build(card)).values()}

    card = tiny_backbone.card.model_copy(update={"architecture": architecture})
    assert eps_of(card) == {1e-5}
    assert eps_of(card.model_copy(update={"bn_eps": 2e-5})) == {2e-5}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "iresnet18"}, "do not fit the architecture iresnet18"),
        ({"architecture": "mobilefacenet"}, "missing .*unexpected"),
        (
            {"architecture": "mobilefacenet"},
            r"They are weights of iresnet_tiny: set `architecture: iresnet_tiny`, `embeddin",
        ),
        ({"architecture": "own_networks:Own", "arguments": {}}, "They are weights of iresnet_tiny"),
        ({"embedding_size": 12}, r"of iresnet_tiny: set .* `embedding_size: 16` and .*shapes fit 32×32 pixels"),
        ({"embedding_size": 12}, r"6 of another shape \(fc.weight: \(16, 256\), expected \(12, 256\)"),
        ({"preprocessing": Preprocessing(image_size=48)}, "1 of another shape"),
        ({"normalization": "group"}, "unexpected"),
    ],
)
def test_weights_of_something_else_are_refused_with_what_misfits(
    changes, message, tiny_backbone, tmp_path, own_networks
):
    torch.save(tiny_backbone.net.state_dict(), tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=message):
        load_checkpoint(tiny_backbone.card.model_copy(update=changes), tmp_path / "weights.pt")


def test_weights_of_no_known_network_are_told_that_a_class_goes_in_by_factory(tiny_backbone, tmp_path):
    torch.save({f"block{i}.w": torch.zeros(3) for i in range(300)}, tmp_path / "weights.pt")
    with pytest.raises(BackboneError) as error:
        load_checkpoint(tiny_backbone.card, tmp_path / "weights.pt")
    message = str(error.value)
    assert "300 unexpected (block0.w; block1.w; block2.w; block3.w; block4.w; …)" in message
    assert message.endswith(
        "No known architecture has such names. A network of your own goes in by `factory: package.module:Class`, its "
        "class."
    )
    assert len(message) < 700


def test_weights_near_a_known_network_are_told_so(tiny_backbone, tmp_path):
    weights = dict(tiny_backbone.net.state_dict()) | {"layer1.0.se.weight": torch.zeros(3)}
    torch.save(weights, tmp_path / "weights.pt")
    with pytest.raises(BackboneError, match=r"iresnet_tiny is the nearest of the known architectures, with 99% of the"):
        load_checkpoint(tiny_backbone.card, tmp_path / "weights.pt")


def test_whole_numbers_in_place_of_weights_are_refused(tiny_backbone, tmp_path):
    weights = dict(tiny_backbone.net.state_dict()) | {"conv1.weight": torch.ones(16, 3, 3, 3, dtype=torch.int8)}
    torch.save(weights, tmp_path / "weights.pt")
    with pytest.raises(
        BackboneError, match=r"1 of whole numbers, as quantization leaves them \(conv1.weight: torch.int8"
    ):
        load_checkpoint(tiny_backbone.card, tmp_path / "weights.pt")
