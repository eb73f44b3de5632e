"""Single operations against ONNX Runtime, in the forms that exports have."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from faceleak.backbones.onnx_import.functions import borders, slice_, unsqueeze
from faceleak.backbones.onnx_import.loading import load_onnx

from .conftest import runtime_answer

RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32)


def one(op, *more, **attributes):
    return [(op, ["images", *more], ["answer"], attributes)]


def numbers(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


def whole(*values):
    return np.array(values, np.int64)


CASES = {
    "add a constant": (one("Add", "c"), {"c": numbers(1, 3, 1, 1)}),
    "subtract": (one("Sub", "c"), {"c": np.float32(0.5)}),
    "multiply": (one("Mul", "c"), {"c": numbers(3, 1, 1)}),
    "divide": (one("Div", "c"), {"c": np.float32(0.25)}),
    "power": (one("Pow", "c"), {"c": np.float32(2)}),
    "square root of a square": ([("Mul", ["images", "images"], ["s"], {}), ("Sqrt", ["s"], ["answer"], {})], {}),
    "relu": (one("Relu"), {}),
    "leaky relu": (one("LeakyRelu", alpha=0.3), {}),
    "leaky relu, default": (one("LeakyRelu"), {}),
    "sigmoid": (one("Sigmoid"), {}),
    "tanh": (one("Tanh"), {}),
    "hard sigmoid": (one("HardSigmoid", alpha=0.3), {}),
    "hard swish": (one("HardSwish"), {}),
    "clip": (one("Clip", "low", "high"), {"low": np.float32(-0.2), "high": np.float32(0.3)}),
    "clip above": (one("Clip", "", "high"), {"high": np.float32(0.3)}),
    "prelu, one slope": (one("PRelu", "slope"), {"slope": numbers(1)}),
    "prelu by channel": (one("PRelu", "slope"), {"slope": numbers(3, 1, 1)}),
    "prelu by pixel": (one("PRelu", "slope"), {"slope": numbers(3, 8, 8)}),
    "convolution": (one("Conv", "k", "b", pads=[1, 1, 1, 1], strides=[2, 1]), {"k": KERNEL, "b": numbers(4)}),
    "convolution without bias": (one("Conv", "k"), {"k": KERNEL}),
    "dilated convolution": (one("Conv", "k", dilations=[2, 2]), {"k": KERNEL}),
    "depthwise convolution": (one("Conv", "k", group=3), {"k": numbers(6, 1, 3, 3)}),
    "convolution padded on two sides": (one("Conv", "k", pads=[0, 0, 1, 2], strides=[2, 2]), {"k": KERNEL}),
    "convolution, same upper": (one("Conv", "k", auto_pad="SAME_UPPER", strides=[2, 2]), {"k": KERNEL}),
    "convolution, same lower": (one("Conv", "k", auto_pad="SAME_LOWER", strides=[2, 2]), {"k": KERNEL}),
    "bn of maps": (
        one("BatchNormalization", *"abcd", epsilon=1e-3),
        {"a": numbers(3), "b": numbers(3), "c": numbers(3), "d": np.abs(numbers(3))},
    ),
    "gemm": (
        [("Flatten", ["images"], ["f"], {}), ("Gemm", ["f", "w", "b"], ["answer"], {"transB": 1, "alpha": 0.5})],
        {"w": numbers(5, 192), "b": numbers(5)},
    ),
    "gemm, not transposed": (
        [("Flatten", ["images"], ["f"], {}), ("Gemm", ["f", "w", "b"], ["answer"], {"beta": 0.5})],
        {"w": numbers(192, 5), "b": numbers(1, 5)},
    ),
    "gemm of computed factors": (
        [
            ("Flatten", ["images"], ["f"], {}),
            ("Gemm", ["w", "f"], ["g"], {"transB": 1}),
            ("Transpose", ["g"], ["answer"], {}),
        ],
        {"w": numbers(5, 192)},
    ),
    "matrix product": (one("MatMul", "w"), {"w": numbers(8, 5)}),
    "product of computed factors": (one("MatMul", "images"), {}),
    "max pool": (one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), {}),
    "max pool, ceil": (one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), {}),
    "max pool on two sides": (one("MaxPool", kernel_shape=[2, 2], pads=[0, 0, 1, 1]), {}),
    "average pool": (one("AveragePool", kernel_shape=[2, 2], strides=[2, 2]), {}),
    "average pool, padded": (one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1]), {}),
    "average pool, padding counts": (
        one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
        {},
    ),
    "average pool on two sides": (one("AveragePool", kernel_shape=[2, 2], pads=[0, 0, 1, 1]), {}),
    "average pool, same": (one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"), {}),
    "global average pool": (one("GlobalAveragePool"), {}),
    "pad": (one("Pad", "p", "v"), {"p": whole(0, 0, 1, 2, 0, 0, 0, 3), "v": np.float32(0.7)}),
    "pad without a value": (one("Pad", "p"), {"p": whole(0, 1, 1, 2, 0, 0, 0, 3)}),
    "reflect": (one("Pad", "p", mode="reflect"), {"p": whole(0, 0, 1, 2, 0, 0, 0, 3)}),
    "pad by the edge": (one("Pad", "p", mode="edge"), {"p": whole(0, 0, 1, 2, 0, 0, 0, 3)}),
    "flatten": (one("Flatten"), {}),
    "transpose": (one("Transpose", perm=[0, 2, 3, 1]), {}),
    "reshape": (one("Reshape", "s"), {"s": whole(0, 3, -1)}),
    "expand": (
        [("ReduceMean", ["images"], ["m"], {"axes": [2]}), ("Expand", ["m", "s"], ["answer"], {})],
        {"s": whole(1, 3, 4, 1)},
    ),
    "squeeze and unsqueeze": (
        [("Unsqueeze", ["images", "u"], ["wide"], {}), ("Squeeze", ["wide", "s"], ["answer"], {})],
        {"u": whole(1, -1), "s": whole(-1)},
    ),
    "concatenate": (one("Concat", "images", axis=-1), {}),
    "slice": (
        one("Slice", "s", "e", "a", "t"),
        {"s": whole(1, -6), "e": whole(9, 2**63 - 1), "a": whole(3, 2), "t": whole(2, 1)},
    ),
    "gather": (one("Gather", "i", axis=1), {"i": whole(2, 1, -1)}),
    "gather one": (one("Gather", "i", axis=1), {"i": np.int64(1)}),
    "identity": (one("Identity"), {}),
    "dropout": (one("Dropout"), {}),
    "cast": (one("Cast", to=1), {}),
    "softmax": (one("Softmax", axis=1), {}),
    "mean": (one("ReduceMean", axes=[2, 3], keepdims=0), {}),
    "sum": (one("ReduceSum", "a"), {"a": whole(1)}),
    "length": (one("ReduceL2", axes=[1]), {}),
    "unit length": (one("LpNormalization", axis=1), {}),
    "a shape that is computed": (
        [
            ("Shape", ["images"], ["shape"], {}),
            ("Gather", ["shape", "zero"], ["batch"], {}),
            ("Unsqueeze", ["batch", "axis"], ["wide"], {}),
            ("Concat", ["wide", "rest"], ["target"], {"axis": 0}),
            ("Reshape", ["images", "target"], ["answer"], {}),
        ],
        {"zero": np.int64(0), "axis": whole(0), "rest": whole(-1, 8)},
    ),
    "a shape by arithmetic": (
        [
            ("Shape", ["images"], ["shape"], {}),
            ("Slice", ["shape", "one", "three"], ["channels_height"], {}),
            ("Div", ["channels_height", "two"], ["halves"], {}),
            ("Mul", ["halves", "two"], ["whole"], {}),
            ("Cast", ["whole"], ["floats"], {"to": 1}),
            ("ReduceSum", ["floats"], ["total"], {"keepdims": 0}),
            ("Add", ["images", "total"], ["answer"], {}),
        ],
        {"one": whole(1), "three": whole(3), "two": whole(2)},
    ),
    "a constant node": ([("Constant", [], ["c"], {"value_float": 2.0}), ("Mul", ["images", "c"], ["answer"], {})], {}),
    "constants computed from constants": (
        [("Unsqueeze", ["c", "a"], ["slope"], {}), ("PRelu", ["images", "slope"], ["answer"], {})],
        {"c": numbers(3), "a": whole(1, 2)},
    ),
}
OLDER = {
    "clip by attributes": (one("Clip", min=-0.2, max=0.3), {}, 10),
    "softmax over the rest": (one("Softmax", axis=1), {}, 11),
    "axes by attribute": (
        [("Unsqueeze", ["images"], ["w"], {"axes": [1]}), ("Squeeze", ["w"], ["answer"], {"axes": [1]})],
        {},
        11,
    ),
    "slice by attributes": (one("Slice", starts=[1], ends=[3], axes=[2]), {}, 9),
    "pad by attributes": (one("Pad", pads=[0, 0, 1, 1, 0, 0, 2, 2], value=0.5), {}, 10),
    "dropout by attribute": (one("Dropout", ratio=0.3), {}, 10),
    "axes as input": (one("ReduceMean", "a"), {"a": whole(2, 3)}, 18),
}


@pytest.fixture
def images():
    return torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("nodes", "constants"), CASES.values(), ids=CASES)
def test_an_operation_computes_what_onnx_runtime_does(graph, images, nodes, constants):
    path = graph(nodes, constants)
    with torch.no_grad():
        np.testing.assert_allclose(load_onnx(path)(images), runtime_answer(path, images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("nodes", "constants", "opset"), OLDER.values(), ids=OLDER)
def test_so_it_does_in_other_opsets(graph, images, nodes, constants, opset):
    path = graph(nodes, constants, opset=opset)
    with torch.no_grad():
        np.testing.assert_allclose(load_onnx(path)(images), runtime_answer(path, images), rtol=1e-4, atol=1e-5)


def test_slopes_without_the_axes_behind_them_are_by_channel(graph, images):
    slopes = numbers(3)
    imported = load_onnx(graph(one("PRelu", "slope"), {"slope": slopes}))
    torch.testing.assert_close(imported(images), functional.prelu(images, torch.from_numpy(slopes)).flatten(1))


def test_half_precision_is_computed_in_single(graph, images):
    constant = numbers(3, 1, 1).astype(np.float16)
    path = graph(one("Mul", "c"), {"c": constant}, kind=10)
    expected = images * torch.from_numpy(constant.astype(np.float32))
    assert torch.equal(load_onnx(path)(images), expected.flatten(1))


def test_squeezing_without_axes_keeps_a_batch_of_one(graph, images):
    nodes = [("GlobalAveragePool", ["images"], ["p"], {}), ("Squeeze", ["p"], ["answer"], {})]
    assert load_onnx(graph(nodes))(images[:1]).shape == (1, 3)


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 4))
def test_slices_are_those_of_numpy(start, end, step):
    x = torch.arange(7)
    assert slice_(x, [start], [end], [0], [step]).tolist() == list(range(7))[start:end:step]


@given(st.sets(st.integers(0, 2), max_size=3))
def test_unsqueezed_axes_have_size_one(axes):
    shape = unsqueeze(torch.zeros(3, 5), sorted(axes)).shape
    assert shape == tuple(np.expand_dims(np.zeros((3, 5)), tuple(axes)).shape)


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 3), st.integers(1, 2))
def test_same_padding_keeps_the_size_by_stride(size, length, stride, dilation):
    x = torch.zeros(1, 1, size, size)
    arguments = ([length] * 2, [stride] * 2, [dilation] * 2, None)
    before, after = borders(x, *arguments, "SAME_UPPER")
    assert (after, before) == borders(x, *arguments, "SAME_LOWER")
    assert before[0] <= after[0] <= before[0] + 1
    padded = size + before[0] + after[0]
    if padded >= (reach := (length - 1) * dilation + 1):
        assert (padded - reach) // stride + 1 == -(-size // stride)
