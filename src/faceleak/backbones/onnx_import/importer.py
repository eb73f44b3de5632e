"""Turning a graph into a network, node by node."""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceleak.backbones.onnx_import.functions import FUNCTIONS, function_of
from faceleak.backbones.onnx_import.graph import Graph, Node, OnnxError
from faceleak.backbones.onnx_import.layers import LAYERS
from faceleak.backbones.onnx_import.network import OnnxNetwork, Source, Step

FREED = {"Reshape": 0, "Expand": 1}  # the size that keeps the one there is


class Importer:
    """Makes each node a step and runs it on the probe at once: what follows depends on the shapes."""

    def __init__(self, graph: Graph, channels_last: bool, path: Path) -> None:
        self.graph, self.path = graph, path
        self.constants = dict(graph.constants)
        self.names: dict[str, str] = {}  # of values and buffers, ONNX's → ours
        self.taken: set[str] = set(dir(nn.Module)) | {"received", "channels_last", "steps", "answer", "finish"}
        self.values: dict[str, Tensor] = {}  # what the probe gives
        self.names[graph.input] = self.unique(graph.input)
        self.network = OnnxNetwork(self.names[graph.input], channels_last)

    def run(self, probe: Tensor) -> OnnxNetwork:
        self.values[self.graph.input] = probe.permute(0, 2, 3, 1) if self.network.channels_last else probe
        steps = []
        for node in self.graph.nodes:
            try:
                if (step := self.step(node)) is not None:
                    steps.append(step)
            except Exception as error:  # operations on a damaged graph raise whatever they stumble on
                raise OnnxError(f"{self.path}: {node} cannot be imported: {error}") from error
        if self.graph.output not in self.values:
            raise OnnxError(f"{self.path}: the output {self.graph.output!r} does not depend on the image.")
        self.network.finish(steps, self.names[self.graph.output])
        return self.network

    def step(self, node: Node) -> Step | None:
        """Add the node to the network, or compute it now where it depends on constants alone."""
        inputs = [self.tensor(name) for name in node.inputs]
        constant = not any(name in self.values for name in node.inputs)
        layer = None if constant or node.op not in LAYERS else self.layer(node, inputs)
        if layer is None and node.op not in FUNCTIONS:
            raise ValueError("its input does not depend on the image")
        if constant:
            self.constants[node.output] = self.function(node)(*inputs)
            return None
        operation: Any = layer or self.function(self.with_free_batch(node))
        sources = (node.inputs[0],) if layer else self.with_free_batch(node).inputs
        self.values[node.output] = operation(*(self.tensor(name) for name in sources))
        self.names[node.output] = self.unique(node.output)
        if layer is not None:
            operation = self.unique(_layer_name(node))
            self.network.add_module(operation, layer)
        return Step(operation, tuple(map(self.source, sources)), self.names[node.output])

    def layer(self, node: Node, inputs: list[Tensor | None]) -> nn.Module | None:
        x, weights = inputs[0], [self.constants.get(name) for name in node.inputs[1:]]
        if x is None or node.inputs[0] not in self.values:
            return None
        layer = LAYERS[node.op](node, x, weights)
        return None if layer is None else layer.eval()  # so that the probe leaves running statistics alone

    def function(self, node: Node) -> Any:
        function = function_of(node.op, self.graph.opset)
        return partial(function, **node.attributes) if node.attributes else function

    def with_free_batch(self, node: Node) -> Node:
        """A Reshape or Expand to the batch size that the export fixed takes the batch as it comes."""
        batch = self.graph.input_shape[0]
        shape = self.constants.get(node.inputs[1]) if node.op in FREED else None
        if batch is None or shape is None or not len(shape) or int(shape[0]) != batch:
            return node
        freed = f"{node.inputs[1]}:{node.op}"
        self.constants[freed] = torch.cat([shape.new_tensor([FREED[node.op]]), shape[1:]])
        return replace(node, inputs=(node.inputs[0], freed))

    def tensor(self, name: str) -> Tensor | None:
        if not name:
            return None
        if name not in self.values and name not in self.constants:
            raise ValueError(f"its input {name!r} is computed nowhere before it")
        return self.values[name] if name in self.values else self.constants[name]

    def source(self, name: str) -> Source:
        """A value by its name, a constant of floats as a buffer, whole numbers as they are, for sizes and axes."""
        if name in self.names or not name:
            return self.names.get(name)
        constant = self.constants[name]
        if not constant.is_floating_point():
            return constant
        self.names[name] = self.unique(name)
        self.network.register_buffer(self.names[name], constant.clone())
        return self.names[name]

    def unique(self, wanted: str) -> str:
        """An identifier like `wanted` that nothing else has."""
        plain = re.sub(r"\W+", "_", wanted, flags=re.ASCII).strip("_") or "value"
        name, number = plain, 1
        while name in self.taken:
            number += 1
            name = f"{plain}_{number}"
        self.taken.add(name)
        return name


def _layer_name(node: Node) -> str:
    """Name of the layer in the code that was exported, where its weights or its own name still tell it."""
    weight = node.inputs[1] if len(node.inputs) > 1 else ""
    if (stem := weight.rpartition(".")[0]) and not set("/:") & set(weight):
        return stem  # layer1.0.conv1 of layer1.0.conv1.weight
    scopes = node.name.strip("/").split("/")[:-1]  # of /layer1/layer1.0/conv1/Conv
    pairs = zip(scopes, [*scopes, ""][1:], strict=True)
    inner = [scope for scope, within in pairs if not within.startswith(f"{scope}.")]
    return ".".join(inner) or node.name
