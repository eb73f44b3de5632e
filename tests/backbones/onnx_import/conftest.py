"""ONNX files made on the spot: exports of torch modules, and graphs of a few nodes."""

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

KEPT = {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., Path]:
    """Write a module as ONNX: export(net, size=(1, 3, 32, 32), and any option of torch.onnx.export)."""

    def make(net: torch.nn.Module, size=(1, 3, 32, 32), **options) -> Path:
        path = tmp_path / "exported.onnx"
        torch.onnx.export(copy.deepcopy(net), (torch.rand(size),), str(path), dynamo=False, **options)
        return path

    return make


@pytest.fixture
def graph(tmp_path: Path) -> Callable[..., Path]:
    """Write nodes from `images` to `answer`: graph([(op, inputs, outputs, attributes)…], constants)."""

    def make(
        nodes, constants=None, shape=("n", 3, 8, 8), opset=17, kind=TensorProto.FLOAT, outputs=("answer",)
    ) -> Path:
        made = helper.make_graph(
            [helper.make_node(op, inputs, outputs, **attributes) for op, inputs, outputs, attributes in nodes],
            "graph",
            [helper.make_tensor_value_info("images", kind, shape)],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
            [numpy_helper.from_array(np.asarray(value), name) for name, value in (constants or {}).items()],
        )
        path = tmp_path / "graph.onnx"
        onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), str(path))
        return path

    return make


def runtime_answer(path: Path, images: torch.Tensor) -> np.ndarray:
    """What ONNX Runtime computes, (n, size)."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    answer = session.run(None, {session.get_inputs()[0].name: images.numpy()})[0]
    return answer.reshape(len(images), -1)
