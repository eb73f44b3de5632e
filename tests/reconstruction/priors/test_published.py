"""Published checkpoints are read without being unpickled; whatever is not a generator's tensor is refused."""

import io
import os
import pickle
import pickletools
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from benchmarks import grouped_stylegan2
from faceleak.backbones.checkpoint import BackboneError
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.reconstruction.priors.published import read_official, read_rosinality
from faceleak.reconstruction.priors.stylegan2_network import StyleGAN2

from .conftest import rosinality_state


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("clamp", [None, 0.5])
def test_the_generator_draws_what_its_checkpoint_draws(
    official_content, pickled, official_state, protocol: int, clamp: float | None
) -> None:
    shape, weights = read_official(pickled(official_content(clamp), protocol))
    assert shape.model_dump() == {
        "resolution": 16, "z_size": 7, "w_size": 9, "mapping_layers": 3, "channels": (12, 10, 8), "clamp": clamp
    }  # fmt: skip
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    z = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    w = grouped_stylegan2.map_latents(official_state, z)[:, None].expand(-1, shape.styles, -1)
    expected = grouped_stylegan2.draw(official_state, w, clamp=clamp)
    assert torch.allclose(network.draw(network.to_w(z)[:, None].expand(-1, shape.styles, -1)), expected, atol=2e-5)
    assert torch.equal(network.w_mean, official_state["mapping.w_avg"])


def test_the_learning_rate_of_the_mapping_network_is_the_one_that_is_stored(
    official_content, pickled, official_state
) -> None:
    content = official_content()
    for name in ("fc0", "fc1", "fc2"):
        content["G_ema"].mapping._modules[name].bias_gain = 0.002
    shape, weights = read_official(pickled(content))
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    z = torch.randn(3, 7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network.to_w(z), grouped_stylegan2.map_latents(official_state, z, 0.002), atol=1e-5)


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 3, 4])
@pytest.mark.parametrize("where", ["root", "G_ema", "state"])
def test_a_bomb_does_not_go_off(official_content, pickled, tmp_path: Path, protocol: int, where: str) -> None:
    fuse = tmp_path / "went_off"
    bomb = Bomb(os.system, f"touch {fuse}")
    content: object = official_content()
    if where == "root":
        content = bomb
    elif where == "G_ema":
        content = {"G_ema": bomb}
    else:
        content["G_ema"].hidden = bomb
    path = pickled(content, protocol)
    with pytest.raises(PriorError, match=r"posix\.system|the opcode"):
        read_official(path)
    assert not fuse.exists()
    pickle.loads(pickle.dumps(bomb, protocol))
    assert fuse.exists()  # the same bomb, where pickle is let


@pytest.mark.parametrize(
    "function", [eval, exec, getattr, io.open, __import__, torch.load, torch.nn.Linear], ids=lambda f: f.__name__
)
def test_what_is_refused_is_named(pickled, function: object) -> None:
    path = pickled({"G_ema": Bomb(function, "1")}, 4)
    name = {io.open: r"_?io\.open"}.get(function, getattr(function, "__name__", ""))
    with pytest.raises(PriorError, match=name):
        read_official(path)


def test_what_stands_for_a_tensor_cannot_be_called_on_anything_else(pickled) -> None:
    with pytest.raises(PriorError, match="damaged"):
        read_official(pickled({"G_ema": Bomb(torch._utils._rebuild_tensor_v2, "no storage", 0, (1,), (1,), False, {})}))
    nested = b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85R."
    loading = {"G_ema": Bomb(torch.storage._load_from_bytes, nested)}
    with pytest.raises(PriorError, match="no generator"):
        read_official(pickled(loading))


def test_a_storage_is_walked_through_as_carefully(official_content, pickled, tmp_path: Path) -> None:
    fuse = tmp_path / "went_off"

    class Inner(Bomb):
        pass

    class Hidden(torch.nn.Parameter):
        def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:
            storage = Bomb(torch.storage._load_from_bytes, pickle.dumps(Inner(os.system, f"touch {fuse}"), 2))
            return torch._utils._rebuild_tensor_v2, (storage, 0, (1,), (1,), False, {})

    content = official_content()
    content["G_ema"]._parameters["more"] = Hidden(torch.ones(1))
    with pytest.raises(PriorError, match=r"damaged .*posix\.system"):
        read_official(pickled(content))
    assert not fuse.exists()


def test_views_that_do_not_lie_in_their_storage_are_refused(official_content, pickled) -> None:
    for offset, size, stride in ((0, (1 << 40,), (0,)), (0, (3,), (1,)), (5, (1,), (1,)), (-1, (1,), (1,))):

        class View(torch.nn.Parameter):
            view = offset, size, stride

            def __reduce_ex__(self, protocol: int) -> tuple[object, ...]:
                return torch._utils._rebuild_tensor_v2, (torch.ones(2)._typed_storage(), *self.view, False, {})

        content = official_content()
        content["G_ema"]._parameters["more"] = View(torch.ones(2))
        with pytest.raises(PriorError, match="damaged"):
            read_official(pickled(content))


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"c_dim": 3}, "conditional"), ({"img_channels": 1}, "RGB"), ({"architecture": "resnet"}, "skip")],
)
def test_generators_of_another_kind_are_refused(official_content, pickled, settings, said: str) -> None:
    with pytest.raises(PriorError, match=said):
        read_official(pickled(official_content(**settings)))


def test_another_filter_is_refused(official_content, pickled) -> None:
    content = official_content()
    content["G_ema"].synthesis.b8.resample_filter = torch.ones(4, 4) / 16
    with pytest.raises(PriorError, match="another filter"):
        read_official(pickled(content))


def test_a_missing_layer_is_named(official_content, pickled) -> None:
    content = official_content()
    del content["G_ema"].synthesis.b8.conv0._parameters["bias"]
    with pytest.raises(PriorError, match=r"b8\.conv0\.bias"):
        read_official(pickled(content))


def test_a_tensorflow_pickle_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "old.pkl"
    path.write_bytes(b"\x80\x03cdnnlib.tflib.network\nNetwork\n)\x81.")
    with pytest.raises(PriorError, match="TensorFlow"):
        read_official(path)


def test_a_file_cut_off_anywhere_is_damaged(official_content, pickled) -> None:
    path = pickled(official_content())
    content = path.read_bytes()
    for length in range(1, len(content), len(content) // 40):
        path.write_bytes(content[:length])
        with pytest.raises(PriorError, match="damaged"):
            read_official(path)


def test_claimed_lengths_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "huge.pkl"
    path.write_bytes(b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b"abc.")
    assert next(op.name for op, *_ in pickletools.genops(b"\x80\x04.")) == "PROTO"
    with pytest.raises(PriorError, match="damaged"):
        read_official(path)
    path.write_bytes(b"\x80\x02c" + b"a" * 10_000_000)
    with pytest.raises(PriorError, match="damaged"):
        read_official(path)


# 2 to the power of 100 empty tuples, by references; the last one has the number 100, which is `d`
NESTED = b")q\x00" + b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(100))
CLASS_NAME, STATE = (b"X" + len(word).to_bytes(4, "little") + word for word in (b"class_name", b"state"))


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (b"}hdK\x01s.", "other keys"),  # it would be hashed
        (b"hdhd\x93.", "a global without a name"),  # printed
        (b"hd)R.", "a call of tuple"),
        (b"cnumpy\ndtype\nhd\x85R.", "a type of numbers without a name"),
        (b"ctorch._utils\n_rebuild_parameter\nhdR.", "holds no generator"),
        (
            b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n}(%bhd%b}u\x85R." % (CLASS_NAME, STATE),
            "a module without a name",
        ),
        (b"ccollections\nOrderedDict\n}\x85R.", "damaged"),  # copied
    ],
)
def test_what_nests_without_end_is_refused_at_once(tmp_path: Path, use: bytes, said: str) -> None:
    path = tmp_path / "nested.pkl"
    path.write_bytes(b"\x80\x04" + NESTED + use)
    with pytest.raises(PriorError, match=said):
        read_official(path)


def test_a_setting_that_is_no_number_is_damage(official_content, pickled) -> None:
    content = official_content()
    content["G_ema"].mapping.fc0.bias_gain = [1]
    with pytest.raises(PriorError, match="damaged"):
        read_official(pickled(content))


def test_missing_and_empty_files_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.pkl", tmp_path / "empty.pkl"):
        if path.stem == "empty":
            path.touch()
        with pytest.raises(PriorError, match=str(path)):
            read_official(path)


def _network(path: Path) -> StyleGAN2:
    shape, weights = read_rosinality(path)
    network = StyleGAN2(shape)
    network.load_state_dict(weights)
    return network.requires_grad_(False)


def test_the_generator_draws_what_its_state_dict_draws(official_state, tmp_path: Path) -> None:
    path = tmp_path / "ffhq.pt"
    mean = official_state["mapping.w_avg"]
    torch.save({"g_ema": rosinality_state(official_state), "latent_avg": mean[None]}, path)
    network = _network(path)
    w = torch.randn(3, network.shape.styles, 9, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(network.draw(w), grouped_stylegan2.draw(official_state, w), atol=2e-5)
    assert torch.equal(network.w_mean, mean)
    z = torch.randn(3, 7)
    assert torch.allclose(network.to_w(z), grouped_stylegan2.map_latents(official_state, z), atol=1e-5)


def test_a_checkpoint_of_its_training_has_its_mean_measured(official_state, tmp_path: Path) -> None:
    path = tmp_path / "100000.pt"
    torch.save({"g_ema": rosinality_state(official_state), "args": Namespace(size=16), "ada_aug_p": 0.1}, path)
    network = _network(path)
    w = network.to_w(torch.randn(20_000, 7, generator=torch.Generator().manual_seed(5)))
    assert torch.allclose(network.w_mean, w.mean(0), atol=4 * float((w.std(0) / 100).max()))
    assert torch.equal(network.w_mean, _network(path).w_mean)


def test_other_checkpoints_are_refused(official_state, tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"g_ema": {"main.0.weight": torch.ones(2)}}, path)
    with pytest.raises(PriorError, match=r"input\.input"):
        read_rosinality(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(PriorError, match="no state dict"):
        read_rosinality(path)
    state = rosinality_state(official_state)
    state["convs.0.conv.blur.kernel"] = torch.ones(4, 4)
    torch.save({"g_ema": state}, path)
    with pytest.raises(PriorError, match="another filter"):
        read_rosinality(path)
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(BackboneError, match="more than tensors"):
        read_rosinality(path)
