"""An ONNX file → a torch module. Nothing of the file runs but the operations listed in `functions` and `layers`."""

import re
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceleak.backbones.onnx_import.functions import FUNCTIONS, function_of
from faceleak.backbones.onnx_import.graph import Graph, Node, OnnxError
from faceleak.backbones.onnx_import.layers import LAYERS
from faceleak.backbones.onnx_import.network import OnnxNetwork, Source, Step
from faceleak.backbones.onnx_import.reading import read_graph
from faceleak.compute import seeded

COLOURS = 3
PROBES = 2  # images of the pass that tells the shapes: another number than the 1 that many exports fix
TOLERANCE = 1e-3  # of one image alone against the same image in a batch, relative to the largest number


def load_onnx(path: Path, output: str | None = None, image_size: int = 112) -> OnnxNetwork:
    """Import an embedding network, in eval mode; images may come in batches of any size, also where the file fixes one.

    output: the one to take where there are several. image_size: height and width where the file leaves them free.
    BN nodes become BatchNorm1d and BatchNorm2d with their running statistics; weights that two nodes share become two.
    Raises OnnxError where the file is damaged or unsafe, listing all operations that are not imported, or where a batch
    mixes its images.
    """
    graph = read_graph(path, output)
    _refuse_unknown(graph, path)
    probe, channels_last = _probe(graph, image_size, path)
    with seeded(0):  # the initial weights of layers are overwritten, and the global generator is not to notice
        importer = _Importer(graph, channels_last, path)
        with torch.no_grad():
            network = importer.run(probe).eval()
    _check_batches(network, probe, path)
    return network


def _refuse_unknown(graph: Graph, path: Path) -> None:
    unknown = Counter(node.op for node in graph.nodes if node.op not in FUNCTIONS and node.op not in LAYERS)
    if unknown:
        listed = ", ".join(f"{op} ({count})" for op, count in sorted(unknown.items()))
        raise OnnxError(
            f"{path} has operations that are not imported: {listed}. Export the embedding network alone, without "
            "control flow, quantisation or an optimiser of a runtime, in an opset of 11 to 20."
        )


def _probe(graph: Graph, image_size: int, path: Path) -> tuple[Tensor, bool]:
    """Images (2, 3, height, width) of noise, and whether the file wants colours as the last axis."""
    shape = graph.input_shape
    if len(shape) != 4 or COLOURS not in (shape[1] or COLOURS, shape[3]):
        raise OnnxError(
            f"{path} takes an input of shape {tuple(size or 'free' for size in shape)}, but faces are "
            "(n, 3, height, width). Export the network with images as its input."
        )
    channels_last = shape[3] == COLOURS and shape[1] != COLOURS
    height, width = (shape[1], shape[2]) if channels_last else (shape[2], shape[3])
    size = (PROBES, COLOURS, height or image_size, width or image_size)
    return torch.rand(size, generator=torch.Generator().manual_seed(0)) * 2 - 1, channels_last


class _Importer:
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
        """A Reshape to the batch size that the export fixed keeps the size that there is."""
        batch = self.graph.input_shape[0]
        shape = self.constants.get(node.inputs[1]) if node.op == "Reshape" else None
        if batch is None or shape is None or not len(shape) or int(shape[0]) != batch:
            return node
        freed = f"{node.inputs[1]}:free"
        self.constants[freed] = torch.cat([torch.zeros(1, dtype=shape.dtype), shape[1:]])
        return Node(node.op, node.name, (node.inputs[0], freed), node.output, node.attributes)

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
    """Name of the layer in the code that was exported, where its weights (`layer1.0.conv1.weight`) or its own still tell."""
    weight = node.inputs[1] if len(node.inputs) > 1 else ""
    if stem := weight.rpartition(".")[0]:
        if not set("/:") & set(weight):
            return stem
    scopes = node.name.strip("/").split("/")[:-1]  # layer1/layer1.0/conv1
    inner = [
        scope for scope, within in zip(scopes, [*scopes[1:], ""], strict=True) if not within.startswith(f"{scope}.")
    ]
    return ".".join(inner) or node.name


def _check_batches(network: OnnxNetwork, probe: Tensor, path: Path) -> None:
    """Compare images in a batch with the same images alone. Raises OnnxError where they differ."""
    advice = "Export it with a free batch size (dynamic axes), in eval mode."
    try:
        with torch.no_grad():
            together = network(probe)
            alone = torch.cat([network(image[None]) for image in probe])
    except Exception as error:  # whatever an operation makes of a size that it does not expect
        raise OnnxError(f"{path} cannot take batches of any size ({error}). {advice}") from error
    if together.shape != alone.shape or len(together) != len(probe):
        shapes = f"{tuple(together.shape)} in a batch, {tuple(alone.shape)} alone"
        raise OnnxError(f"{path} does not give one embedding an image: {len(probe)} images give {shapes}. {advice}")
    scale = float(together.abs().max())
    if not torch.isfinite(together).all() or float((together - alone).abs().max()) > TOLERANCE * scale:
        raise OnnxError(f"{path} gives an image another embedding in a batch than alone, or none. {advice}")
