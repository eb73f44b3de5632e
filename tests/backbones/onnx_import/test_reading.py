"""Files that are damaged, or ask for more than their own folder; how much of BN a file still holds."""

from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from faceleak.backbones.onnx_import import reading
from faceleak.backbones.onnx_import.loading import load_onnx
from faceleak.backbones.onnx_import.reading import OnnxError, SurvivingBatchNorms, read_graph, surviving_batch_norms

from .conftest import KEPT

MULTIPLIED = [("Mul", ["images", "factor"], ["answer"], {})]
FACTOR = np.arange(192, dtype=np.float32).reshape(3, 8, 8)


@pytest.fixture
def external(graph, tmp_path) -> Path:
    """A model whose one constant lies in factor.bin beside it."""
    path = graph(MULTIPLIED, {"factor": FACTOR})
    model = onnx.load(str(path))
    onnx.save_model(model, str(path), save_as_external_data=True, location="factor.bin", size_threshold=0)
    assert (tmp_path / "factor.bin").exists()
    return path


def with_place(path: Path, **changes: str) -> Path:
    """State another place for the data of the constant."""
    model = onnx.load(str(path), load_external_data=False)
    (tensor,) = model.graph.initializer
    stated = {entry.key: entry.value for entry in tensor.external_data} | changes
    del tensor.external_data[:]
    for key, value in stated.items():
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_in_a_file_beside_the_model_are_read(external):
    images = torch.rand(2, 3, 8, 8)
    assert torch.equal(load_onnx(external)(images), (images * torch.from_numpy(FACTOR)).flatten(1))


def test_counting_bn_needs_no_weights(external, tmp_path):
    (tmp_path / "factor.bin").unlink()
    assert surviving_batch_norms(external).batch_norms == 0


@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "", "missing.bin"])
def test_data_outside_the_folder_is_refused(external, tmp_path, location):
    (tmp_path.parent / "secret.bin").write_bytes(bytes(FACTOR.nbytes))
    (tmp_path / "sub").mkdir()
    with pytest.raises(OnnxError, match="not a file of the same folder"):
        load_onnx(with_place(external, location=location))


def test_an_absolute_path_and_a_link_to_the_outside_are_refused(external, tmp_path, tmp_path_factory):
    secret = tmp_path_factory.mktemp("elsewhere") / "secret.bin"
    secret.write_bytes(bytes(FACTOR.nbytes))
    (tmp_path / "link.bin").symlink_to(secret)
    for location in (str(secret), "link.bin"):
        with pytest.raises(OnnxError, match="not a file of the same folder"):
            load_onnx(with_place(external, location=location))


@pytest.mark.parametrize("place", [{"offset": "4"}, {"length": "4"}, {"offset": "-4"}, {"offset": "four"}])
def test_a_place_that_does_not_hold_the_data_is_refused(external, place):
    with pytest.raises(OnnxError, match=r"does not hold|is no number"):
        load_onnx(with_place(external, **place))


def test_more_than_the_maximum_is_not_read(external, graph, monkeypatch):
    monkeypatch.setattr(reading, "MAXIMUM_BYTES", 700)  # the model has about 200 bytes, its data 768
    with pytest.raises(OnnxError, match="more than the 700 bytes"):
        load_onnx(external)
    with pytest.raises(OnnxError, match="more than the 700 that are read"):
        load_onnx(graph(MULTIPLIED, {"factor": FACTOR}))


@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"no model", bytes(100), b"\xff" * 50])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for read in (load_onnx, surviving_batch_norms):
        with pytest.raises(OnnxError, match="damaged or not an ONNX file"):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(OnnxError, match="There is no ONNX file"):
        load_onnx(tmp_path / "nothing.onnx")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused(graph, share):
    path = graph(MULTIPLIED, {"factor": FACTOR})
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(OnnxError):
        load_onnx(path)


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_file_with_flipped_bytes_loads_or_is_refused(tmp_path_factory, changes):
    content = bytearray(convolution())
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path_factory.getbasetemp() / "flipped.onnx"
    path.write_bytes(content)
    for read in (load_onnx, surviving_batch_norms):
        with suppress(OnnxError):
            read(path)


@cache
def convolution() -> bytes:
    """A model with a convolution, BN and a reshape."""
    ones = np.ones(4, np.float32)
    constants = {"k": np.ones((4, 3, 3, 3), np.float32), "b": ones, "m": ones, "v": ones, "s": np.array([1, -1])}
    nodes = [
        onnx.helper.make_node("Conv", ["images", "k", "b"], ["c"], pads=[1, 1, 1, 1]),
        onnx.helper.make_node("BatchNormalization", ["c", "b", "b", "m", "v"], ["n"]),
        onnx.helper.make_node("Reshape", ["n", "s"], ["answer"]),
    ]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, (1, 3, 8, 8))],
        [onnx.helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()


def test_weights_shorter_than_their_shape_are_refused(graph):
    path = graph(MULTIPLIED, {"factor": FACTOR})
    model = onnx.load(str(path))
    model.graph.initializer[0].raw_data = b"1234"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OnnxError, match="is damaged"):
        load_onnx(path)


def test_images_as_whole_numbers_are_refused(graph):
    with pytest.raises(OnnxError, match="takes images as uint8"):
        load_onnx(graph([("Cast", ["images"], ["answer"], {"to": 1})], kind=onnx.TensorProto.UINT8))


def test_weights_listed_as_inputs_are_no_inputs(graph):
    path = graph(MULTIPLIED, {"factor": FACTOR})
    model = onnx.load(str(path))
    listed = onnx.helper.make_tensor_value_info("factor", onnx.TensorProto.FLOAT, FACTOR.shape)
    model.graph.input.append(listed)
    path.write_bytes(model.SerializeToString())
    assert read_graph(path).input == "images"
    listed.name = "more"
    model.graph.input.append(listed)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(OnnxError, match=r"2 inputs .images, more."):
        load_onnx(path)


def test_an_export_that_keeps_bn_is_complete(tiny_backbone, export):
    found = surviving_batch_norms(export(tiny_backbone.net, **KEPT))
    assert found == SurvivingBatchNorms(batch_norms=19, convolutions=13, probably_folded=0)
    assert "19 BN layers are complete" in found.meaning
    assert "Export again" not in found.meaning


def test_the_default_export_folds_as_many_as_are_missing(tiny_backbone, export):
    found = surviving_batch_norms(export(tiny_backbone.net))
    assert found == SurvivingBatchNorms(batch_norms=6, convolutions=13, probably_folded=13)
    assert "6 BN layers are there, and about 13 were probably folded" in found.meaning
    assert "TrainingMode.PRESERVE" in found.meaning


def test_a_network_whose_bn_is_all_folded(export):
    net = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3)).eval()
    found = surviving_batch_norms(export(net))
    assert found == SurvivingBatchNorms(batch_norms=0, convolutions=2, probably_folded=1)
    assert "BN signals are impossible, embedding signals still work" in found.meaning
    assert "Export again" in found.meaning


def test_a_network_without_any_bn(export):
    found = surviving_batch_norms(export(nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()).eval()))
    assert found == SurvivingBatchNorms(batch_norms=0, convolutions=1, probably_folded=0)
    assert "no sign of one" in found.meaning


def test_convolutions_fused_by_a_runtime_count_as_folded(graph):
    node = ("FusedConv", ["images", "k", "b"], ["answer"], {"domain": "com.microsoft"})
    constants = {"k": np.zeros((4, 3, 3, 3), np.float32), "b": np.zeros(4, np.float32)}
    assert surviving_batch_norms(graph([node], constants)) == SurvivingBatchNorms(0, 1, 1)


@pytest.mark.parametrize("follower", [nn.BatchNorm2d(4), nn.Flatten(), nn.AvgPool2d(2)])
def test_a_bias_before_anything_but_an_activation_is_the_networks_own(export, follower):
    net = nn.Sequential(nn.Conv2d(3, 4, 3), follower).eval()
    with torch.no_grad():
        assert surviving_batch_norms(export(net, **KEPT)).probably_folded == 0
