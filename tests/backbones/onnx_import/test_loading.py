"""Whole networks: what is exported comes back, with BN, gradients, and batches of any size."""

import copy
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.backbones.onnx_import.loading import load_onnx
from faceleak.backbones.onnx_import.reading import OnnxError

from .conftest import KEPT, runtime_answer

BATCHES = [1, 5]
EXPORTS = {
    "bn kept": KEPT,
    "bn fused": {},
    "free batch": {"input_names": ["images"], "dynamic_axes": {"images": {0: "n"}}},
    "opset 11": KEPT | {"opset_version": 11},
}


@pytest.fixture
def faces() -> torch.Tensor:
    return torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("options", EXPORTS.values(), ids=EXPORTS)
def test_an_exported_iresnet_computes_what_it_did(tiny_backbone, export, faces, options):
    imported = load_onnx(export(tiny_backbone.net, **options))
    assert not imported.training
    for batch in BATCHES:
        with torch.no_grad():
            expected = tiny_backbone.net(faces[:batch])
            torch.testing.assert_close(imported(faces[:batch]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", EXPORTS.values(), ids=EXPORTS)
def test_it_computes_what_onnx_runtime_does(tiny_backbone, export, faces, options):
    path = export(tiny_backbone.net, **options)
    imported = load_onnx(path)
    with torch.no_grad():
        np.testing.assert_allclose(imported(faces[:1]), runtime_answer(path, faces[:1]), rtol=1e-5, atol=1e-5)


def test_every_bn_layer_comes_back_to_the_bit(tiny_backbone, export):
    expected = bn_layers(tiny_backbone.net)
    imported = bn_layers(load_onnx(export(tiny_backbone.net, **KEPT)))
    assert set(imported) == {name.replace(".", "_") for name in expected}
    for name, layer in expected.items():
        found = imported[name.replace(".", "_")]
        assert type(found) is type(layer)
        assert (found.eps, found.momentum) == (layer.eps, layer.momentum)
        pairs = zip(
            (*statistics(layer), layer.weight, layer.bias), (*statistics(found), found.weight, found.bias), strict=True
        )
        assert all(torch.equal(one, other) for one, other in pairs)


def test_folded_bn_layers_are_gone(tiny_backbone, export):
    assert len(bn_layers(load_onnx(export(tiny_backbone.net)))) == 6  # before padding, and at the end


def test_gradients_reach_images_and_weights(tiny_backbone, export, faces):
    imported = load_onnx(export(tiny_backbone.net, **KEPT))
    seen, expected = faces.clone().requires_grad_(), faces.clone().requires_grad_()
    imported(seen).square().sum().backward()
    tiny_backbone.net(expected).square().sum().backward()
    torch.testing.assert_close(seen.grad, expected.grad, rtol=1e-3, atol=1e-4)
    found = dict(imported.named_parameters())
    for name, parameter in tiny_backbone.net.named_parameters():
        if parameter.requires_grad:
            layer, _, kind = name.rpartition(".")
            grad = found[f"{layer.replace('.', '_')}.{kind}"].grad
            torch.testing.assert_close(grad, parameter.grad, rtol=1e-3, atol=1e-3)


def test_training_moves_the_statistics_as_in_the_original(tiny_backbone, export, faces):
    imported = load_onnx(export(tiny_backbone.net, **KEPT)).train()
    imported(faces), tiny_backbone.net.train()(faces)
    for name, layer in bn_layers(tiny_backbone.net).items():
        torch.testing.assert_close(bn_layers(imported)[name.replace(".", "_")].running_mean, layer.running_mean)


def test_weights_are_saved_and_loaded(tiny_backbone, export, faces, tmp_path):
    path = export(tiny_backbone.net, **KEPT)
    changed, other = load_onnx(path), load_onnx(path)
    with torch.no_grad():
        for tensor in changed.state_dict().values():
            tensor.mul_(1.1) if tensor.is_floating_point() else None
        save_file(changed.state_dict(), tmp_path / "weights.safetensors")
        assert not torch.allclose(changed(faces), other(faces))
        other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
        assert torch.equal(changed(faces), other(faces))


def test_copies_and_pickles_compute_the_same(tiny_backbone, export, faces):
    imported = load_onnx(export(tiny_backbone.net, **KEPT))
    for twin in (copy.deepcopy(imported), pickle.loads(pickle.dumps(imported))):
        assert torch.equal(twin(faces), imported(faces))


def test_it_works_inside_a_backbone(tiny_backbone, export, faces):
    imported = Backbone(load_onnx(export(tiny_backbone.net, **KEPT)), tiny_backbone.card).eval()
    with torch.no_grad():
        torch.testing.assert_close(imported(faces), tiny_backbone(faces), rtol=1e-5, atol=1e-5)


class Mixed(nn.Module):
    """What mobile nets do, with a view that an export writes down with its batch size."""

    def __init__(self, free: bool = False) -> None:
        super().__init__()
        self.free = free
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8), nn.Hardswish(), nn.MaxPool2d(2))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Hardsigmoid())
        self.depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.BatchNorm2d(8), nn.ReLU6())
        self.linear, self.norm = nn.Linear(8 * 8 * 8, 16, bias=False), nn.BatchNorm1d(16)

    def forward(self, images):
        x = self.stem((images - 0.5) / 0.25)
        x = self.depthwise(x * self.gate(x)) + x
        x = x.view(x.size(0) if self.free else len(images), -1)
        x = self.norm(self.linear(nn.functional.dropout(x, 0.4, self.training)))
        return nn.functional.normalize(x)


@pytest.mark.parametrize("name", EXPORTS)
def test_a_mobile_net_with_a_fixed_view_takes_any_batch(export, faces, name):
    net = Mixed(free=name == "free batch").eval()
    imported = load_onnx(export(net, **EXPORTS[name]))
    for batch in BATCHES:
        with torch.no_grad():
            torch.testing.assert_close(imported(faces[:batch]), net(faces[:batch]), rtol=1e-5, atol=1e-5)


def test_a_view_with_a_fixed_batch_of_four_takes_any_batch(export, faces):
    net = Mixed().eval()
    imported = load_onnx(export(net, size=(4, 3, 32, 32), **KEPT))
    with torch.no_grad():
        torch.testing.assert_close(imported(faces), net(faces), rtol=1e-5, atol=1e-5)


def test_loading_leaves_the_global_generator_alone(tiny_backbone, export):
    path = export(tiny_backbone.net)
    before = torch.get_rng_state()
    load_onnx(path)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_network_that_mixes_its_images_is_refused(graph):
    nodes = [("ReduceMean", ["images"], ["mean"], {"axes": [0]}), ("Sub", ["images", "mean"], ["answer"], {})]
    with pytest.raises(OnnxError, match=r"in a batch than alone.*free batch size"):
        load_onnx(graph(nodes))


def test_a_batch_that_cannot_be_freed_is_refused(graph):
    nodes = [("Reshape", ["images", "shape"], ["answer"], {})]
    with pytest.raises(OnnxError, match=r"Reshape.*cannot be imported"):
        load_onnx(graph(nodes, {"shape": np.array([64, 3])}, shape=(1, 3, 8, 8)))


def test_all_unknown_operations_are_listed_with_their_number(graph):
    nodes = [
        ("Erf", ["images"], ["a"], {}),
        ("Erf", ["a"], ["b"], {}),
        ("FusedConv", ["b"], ["c"], {"domain": "com.microsoft"}),
        ("Relu", ["c"], ["answer"], {}),
    ]
    with pytest.raises(OnnxError, match=r"not imported: Erf \(2\), com.microsoft::FusedConv \(1\)\."):
        load_onnx(graph(nodes))


@pytest.mark.parametrize("shape", [(1, 1, 8, 8), (1, 3, 8), (1, 192)])
def test_what_takes_no_color_image_is_refused(graph, shape):
    with pytest.raises(OnnxError, match=r"faces are .n, 3, height, width."):
        load_onnx(graph([("Relu", ["images"], ["answer"], {})], shape=shape))


def test_an_input_with_colors_last_takes_faces_all_the_same(graph):
    path = graph([("ReduceMean", ["images"], ["answer"], {"axes": [1, 2]})], shape=("n", 8, 8, 3))
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(load_onnx(path)(images), images.mean((2, 3)))


def test_a_free_image_size_is_filled_in(graph):
    path = graph([("GlobalAveragePool", ["images"], ["answer"], {})], shape=("n", 3, "h", "w"))
    assert load_onnx(path)(torch.rand(4, 3, 20, 24)).shape == (4, 3)


def test_one_of_several_outputs_is_chosen_by_name(graph):
    nodes = [("Relu", ["images"], ["kept"], {}), ("Sigmoid", ["images"], ["other"], {})]
    path = graph(nodes, outputs=("kept", "other"))
    images = torch.rand(2, 3, 8, 8) - 0.5
    assert torch.equal(load_onnx(path, output="kept")(images), images.relu().flatten(1))
    with pytest.raises(OnnxError, match="outputs kept, other, and no one is chosen"):
        load_onnx(path)
    with pytest.raises(OnnxError, match="'third' was asked for"):
        load_onnx(path, output="third")


def test_a_node_with_weights_of_another_shape_is_named(graph):
    constants = {name: np.ones(4, np.float32) for name in ("scale", "shift", "mean", "variance")}
    nodes = [("BatchNormalization", ["images", *constants], ["answer"], {"name": "the_norm"})]
    with pytest.raises(OnnxError, match="BatchNormalization 'the_norm' cannot be imported"):
        load_onnx(graph(nodes, constants))


def test_an_input_that_nothing_computes_is_named(graph):
    with pytest.raises(OnnxError, match="'nowhere' is computed nowhere"):
        load_onnx(graph([("Add", ["images", "nowhere"], ["answer"], {})]))
