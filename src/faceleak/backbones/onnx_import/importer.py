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
        self.taken: set[str] = set(dir(nn.Module())) | {"received", "channels_last", "steps", "answer", "finish"}
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
        if not any(name in self.values for name in node.inputs):
            self.constants[node.output] = self.function(node)(*map(self.tensor, node.inputs))
            return None
        operation: Any
        if (layer := self.layer(node)) is not None:
            operation, sources = self.add_layer(node, layer), node.inputs[:1]
            answer = layer(self.tensor(sources[0]))
        else:
            node = self.with_free_batch(node)
            operation, sources = self.function(node), node.inputs
            answer = operation(*map(self.tensor, sources))
        self.values[node.output] = answer
        self.names[node.output] = self.unique(node.output)
        return Step(operation, tuple(map(self.source, sources)), self.names[node.output])

    def layer(self, node: Node) -> nn.Module | None:
        """The layer of an operation with weights, where its first input depends on the image and these do not."""
        x, *weights = map(self.tensor, node.inputs)
        if node.op not in LAYERS or x is None or node.inputs[0] not in self.values:
            return None
        fixed = [None if name in self.values else weight for name, weight in zip(node.inputs[1:], weights, strict=True)]
        layer = LAYERS[node.op](node, x, fixed)
        return None if layer is None else layer.eval()  # so that the probe leaves running statistics alone

    def add_layer(self, node: Node, layer: nn.Module) -> str:
        name = self.unique(_layer_name(node))
        self.network.add_module(name, layer)
        return name

    def function(self, node: Node) -> Any:
        if node.op not in FUNCTIONS:
            raise ValueError("its input does not depend on the image, or its weights do")
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
