import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faceleak.backbones.checkpoint import BackboneError, adapt, read_checkpoint
from faceleak.backbones.head import read_head
from faceleak.backbones.loading import assemble

pytestmark = pytest.mark.filterwarnings("ignore:Detected pickle protocol")


@pytest.mark.parametrize("name", ["weights.pt", "weights.pth", "weights.ckpt"])
@pytest.mark.parametrize("zipped", [True, False])
def test_files_of_tensors_alone_are_loaded(name, zipped, tiny_backbone, tmp_path):
    torch.save(tiny_backbone.net.state_dict(), tmp_path / name, _use_new_zipfile_serialization=zipped)
    weights = read_checkpoint(tmp_path / name)
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
        read_checkpoint(path)
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
        read_checkpoint(path)
    assert not created.exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights.bin"])
@pytest.mark.parametrize("content", [b"", b"hello world\n", b"<html>404</html>", b"\x80", b"PK\x03\x04"])
def test_files_of_something_else_are_one_clear_error(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BackboneError, match=f"{name} (is damaged|holds more than tensors, or is damaged)"):
        read_checkpoint(tmp_path / name)


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
            read_checkpoint(path)


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
            weights = read_checkpoint(path)  # the numbers themselves may have changed unnoticed
        except BackboneError:
            return
        assert all(isinstance(tensor, torch.Tensor) for tensor in weights.values())

    check()


PLAIN = {"first.weight": torch.ones(2, 3), "first.bias": torch.ones(2), "bn.num_batches_tracked": torch.tensor(5)}
EXPECTED = {name: torch.zeros_like(tensor) for name, tensor in PLAIN.items()}


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        {"state_dict": PLAIN},
        {"net_state_dict": PLAIN, "epoch": 3, "optimizer": {"state": {0: {"step": torch.zeros(1)}}}},
        {"model": {"state_dict": PLAIN}, "args": {"lr": 0.1}},
        {"backbone": PLAIN, "head": {"weight": torch.zeros(4, 2)}},
        {"model_state_dict": PLAIN, "ema": PLAIN, "loss": 0.3},
        {"something else": PLAIN, "epoch": [1, 2]},
        {"something else": PLAIN, "metric_fc": {"weight": torch.zeros(4, 2)}},
        {"state_dict_ema": {"other": torch.zeros(1)}, "state_dict": PLAIN},
    ],
)
def test_a_state_dict_is_found_in_what_lies_around_it(content, tmp_path):
    torch.save(content, tmp_path / "checkpoint.pth")
    found = read_checkpoint(tmp_path / "checkpoint.pth")
    torch.testing.assert_close(found, PLAIN, rtol=0, atol=0)


RESUMED = {  # as arcface_torch's train_v2.py saves it
    "epoch": 3,
    "global_step": 1200,
    "state_dict_backbone": PLAIN,
    "state_dict_softmax_fc": {"weight": torch.arange(8.0).reshape(4, 2)},
    "state_optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]},
    "state_lr_scheduler": {"last_epoch": 3, "_last_lr": [0.1]},
}


def test_the_resume_file_of_arcface_torch_gives_the_backbone_and_offers_the_head(tmp_path, caplog):
    path = tmp_path / "checkpoint_gpu_0.pt"
    torch.save(RESUMED, path)
    with caplog.at_level("INFO"):
        torch.testing.assert_close(read_checkpoint(path), PLAIN, rtol=0, atol=0)
    assert "checkpoint_gpu_0.pt: the state dict is in ['state_dict_backbone']" in caplog.text
    assert "['state_dict_softmax_fc'] looks like the classification head of 4 classes: to take it too" in caplog.text
    assert not any(record.levelname == "WARNING" for record in caplog.records)
    (tmp_path / "identities.txt").write_text("a\nb\nc\nd\n")
    head = read_head(path, tmp_path / "identities.txt", 64.0, 2)
    torch.testing.assert_close(head.weight, RESUMED["state_dict_softmax_fc"]["weight"], rtol=0, atol=0)
    with pytest.raises(
        BackboneError, match=r"no head .* size 3, .* holds \['state_dict_backbone'\]; \['state_dict_sof"
    ):
        read_head(path, tmp_path / "identities.txt", 64.0, 3)
    torch.save(RESUMED | {"metric_fc": RESUMED["state_dict_softmax_fc"]}, path)
    with pytest.raises(BackboneError, match=r"several heads \(\['state_dict_softmax_fc'\]; \['metric_fc'\]\)"):
        read_head(path, tmp_path / "identities.txt", 64.0, 2)


def test_another_network_in_the_file_is_told_with_the_way_to_take_it(tmp_path, caplog, monkeypatch):
    other = {name: tensor + 1 for name, tensor in PLAIN.items()}
    torch.save({"model": PLAIN, "more": {"ema": other}, "epoch": 3}, tmp_path / "both.pth")
    with caplog.at_level("INFO"):
        torch.testing.assert_close(read_checkpoint(tmp_path / "both.pth"), PLAIN, rtol=0, atol=0)
    (record,) = (record for record in caplog.records if record.levelname == "WARNING")
    said = record.getMessage()
    assert "both.pth: not taken: ['more']['ema'] (3 tensors). Save one alone: torch.save(" in said
    code = said[said.index("torch.save(") : said.index(" if that")]
    monkeypatch.chdir(tmp_path)
    exec(code, {"torch": torch})
    torch.testing.assert_close(read_checkpoint(tmp_path / "weights.pt"), other, rtol=0, atol=0)


def test_a_file_with_one_network_warns_of_nothing(tmp_path, caplog):
    torch.save({"model": PLAIN, "optimizer": {"state": {}}, "epoch": 3}, tmp_path / "one.pth")
    with caplog.at_level("INFO"):
        read_checkpoint(tmp_path / "one.pth")
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'one.pth'}: the state dict is in ['model']"
    ]


def dynamically_quantized() -> torch.nn.Module:
    return torch.ao.quantization.quantize_dynamic(torch.nn.Sequential(torch.nn.Linear(2, 3)), {torch.nn.Linear})


def statically_quantized() -> torch.nn.Module:
    from torch.ao import quantization

    network = torch.nn.Sequential(quantization.QuantStub(), torch.nn.Conv2d(3, 4, 3)).eval()
    network.qconfig = quantization.get_default_qconfig(torch.backends.quantized.supported_engines[-1])
    prepared = quantization.prepare(network)
    prepared(torch.rand(1, 3, 8, 8))
    return quantization.convert(prepared)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("make", "name"), [(dynamically_quantized, r"0\._packed_params\."), (statically_quantized, r"1\.weight")]
)
@pytest.mark.parametrize("around", [lambda weights: weights, lambda weights: {"state_dict": weights, "epoch": 1}])
def test_a_quantized_network_is_refused_with_advice_that_helps(make, name, around, tmp_path):
    torch.save(around(make().state_dict()), tmp_path / "quantized.pt")
    with pytest.raises(BackboneError, match=rf"holds a quantized network \({name}.*as it was before.*float network"):
        read_checkpoint(tmp_path / "quantized.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3, "args": {"lr": 0.1}}, r"does not hold a state dict.*a dict \(keys: epoch; args\)"),
        ({"state_dict": {"model": {"weight": [0.1]}}}, "does not hold a state dict"),
        ({"state_dict": {}}, "does not hold a state dict"),
        ({"a": PLAIN, "b": PLAIN}, r"several state dicts \(a; b\)\. Save one alone: torch\.save\(torch\.load\("),
        ([PLAIN], "a list"),
        (torch.zeros(3), "a Tensor"),
        (7, "a int"),
    ],
)
def test_what_holds_none_or_several_is_an_error_that_says_what_is_there(content, message, tmp_path):
    torch.save(content, tmp_path / "checkpoint.pth")
    with pytest.raises(BackboneError, match=rf"checkpoint\.pth.* {message}"):
        read_checkpoint(tmp_path / "checkpoint.pth")


def test_an_empty_dict_is_missing_everything(tiny_backbone, tmp_path):
    from faceleak.backbones.loading import load_checkpoint

    torch.save({}, tmp_path / "empty.pth")
    with pytest.raises(BackboneError, match=r"empty\.pth do not fit.* missing \(conv1\.weight"):
        load_checkpoint(tiny_backbone.card, tmp_path / "empty.pth")


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "arcface.", "_orig_mod.module.net."])
def test_whatever_stands_before_all_names_is_taken_away(prefix):
    found = adapt({prefix + name: tensor for name, tensor in PLAIN.items()}, EXPECTED, 2, "w.pt")
    torch.testing.assert_close(found, PLAIN, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "shape", "dropped"),
    [
        ("head.weight", (9, 2), True),
        ("fc_angular", (2, 9), True),
        ("logits.weight", (9, 2), True),
        ("logits.bias", (9,), True),
        ("classifier.0.weight", (9, 7), True),
        ("weight", (9, 2), True),  # (classes, embedding_size)
        ("last_linear.weight", (9, 2), True),
        ("second.weight", (9, 7), False),
        ("layer.conv.weight", (2, 2, 3, 3), False),
        ("head.conv.weight", (2, 2, 3, 3), False),  # a head is no convolution
    ],
)
def test_heads_are_dropped_and_named_and_nothing_else_is(name, shape, dropped, caplog):
    with caplog.at_level("INFO"):
        found = adapt(PLAIN | {name: torch.zeros(shape)}, EXPECTED, 2, "w.pt")
    assert (name not in found) == dropped
    assert (name in caplog.text) == dropped
    assert set(PLAIN) <= set(found)


def test_a_layer_of_the_network_is_no_head_whatever_its_name():
    expected = EXPECTED | {"last_linear.weight": torch.zeros(9, 2)}
    given_weights = PLAIN | {"last_linear.weight": torch.ones(9, 2)}
    assert set(adapt(given_weights, expected, 2, "w.pt")) == set(expected)


def test_missing_counters_are_those_of_a_fresh_network():
    weights = {name: tensor for name, tensor in PLAIN.items() if "num_batches" not in name}
    assert adapt(weights, EXPECTED, 2, "w.pt")["bn.num_batches_tracked"] == 0


def test_two_networks_in_one_file_are_not_chosen_between():
    both = {f"{who}.{name}": tensor for who in ("student", "teacher") for name, tensor in PLAIN.items()}
    with pytest.raises(BackboneError, match=r"w\.pt holds several networks that fit.*student\.….*teacher\.…"):
        adapt(both, EXPECTED, 2, "w.pt")


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.pt"
    torch.save({"weight": torch.zeros(1000, 1000)}, tmp_path / "sound.pt")
    with zipfile.ZipFile(tmp_path / "sound.pt") as sound, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for entry in sound.infolist():
            bomb.writestr(entry.filename, sound.read(entry))
    assert path.stat().st_size < 50_000
    with pytest.raises(BackboneError, match=r"bomb\.pt has .* bytes and unpacks to 4,0.*made to fill the memory"):
        read_checkpoint(path)
    assert read_checkpoint(tmp_path / "sound.pt")["weight"].shape == (1000, 1000)


def test_a_torchscript_archive_is_refused_with_the_way_to_convert_it(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 3)).save(tmp_path / "scripted.pt")
    with pytest.raises(BackboneError, match=r"TorchScript archive.*torch\.jit\.load\(path\)\.state_dict\(\)"):
        read_checkpoint(tmp_path / "scripted.pt")
    weights = torch.jit.load(tmp_path / "scripted.pt").state_dict()
    torch.save(weights, tmp_path / "weights.pt")
    assert set(read_checkpoint(tmp_path / "weights.pt")) == {"weight", "bias"}


def test_a_whole_pickled_module_is_refused_and_converted_as_the_error_says(tmp_path):
    torch.save(torch.nn.Linear(2, 3), tmp_path / "module.pt")
    with pytest.raises(BackboneError, match="Convert it where you trust it"):
        read_checkpoint(tmp_path / "module.pt")
    model = torch.load(tmp_path / "module.pt", weights_only=False)
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    assert set(read_checkpoint(tmp_path / "weights.pt")) == {"weight", "bias"}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_pointer_of_git_lfs_is_told_with_the_way_to_fetch_the_file(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n")
    with pytest.raises(BackboneError, match=r"is a pointer of Git LFS, which holds no weights\. Fetch them: git lfs"):
        read_checkpoint(path)
