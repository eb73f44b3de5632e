"""A torch module from an ONNX file: it runs the file's operations one after the other.

Nothing of the file runs but the operations listed in `functions` and `layers`.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faceleak.backbones.onnx_import.functions import FUNCTIONS, function_of
from faceleak.backbones.onnx_import.layers import LAYERS
from faceleak.backbones.onnx_import.reading import Graph, Node, OnnxError, read_graph
from faceleak.work.compute import seeded

Source = str | Tensor | None  # the name of a value or a buffer, whole numbers, or an input left out


@dataclass(frozen=True)
class Step:
    """One operation: the name of a submodule or a function, its inputs, the name of its output.

    `finished`: values that nothing needs afterwards.
    """

    operation: str | Callable[..., Tensor]
    inputs: tuple[Source, ...]
    output: str
    finished: tuple[str, ...] = ()


class OnnxNetwork(nn.Module):
    """Images (n, 3, height, width), preprocessed → embeddings (n, embedding_size), as the ONNX file computes them.

    Layers with weights are submodules in the order of execution, other numbers buffers. `channels_last`: the file's own
    input is (n, height, width, 3).
    """

    def __init__(self, received: str, channels_last: bool) -> None:
        super().__init__()
        self.received, self.channels_last = received, channels_last
        self.steps: tuple[Step, ...] = ()
        self.answer = received

    def finish(self, steps: Sequence[Step], answer: str) -> None:
        """Set the steps that lead to `answer`, without those that do not, and note when each value was last used."""
        needed, kept = {answer}, []
        for step in reversed(steps):
            if step.output in needed:
                used = {source for source in step.inputs if isinstance(source, str)}
                kept.append(replace(step, finished=tuple(sorted(used - needed))))
                needed |= used
            elif isinstance(step.operation, str):
                delattr(self, step.operation)
        self.steps, self.answer = tuple(reversed(kept)), answer
        for name, _ in list(self.named_buffers(recurse=False)):
            if name not in needed:
                delattr(self, name)

    def forward(self, images: Tensor) -> Tensor:
        values = dict(self.named_buffers(recurse=False))
        values[self.received] = images.permute(0, 2, 3, 1) if self.channels_last else images
        for step in self.steps:
            operation = getattr(self, step.operation) if isinstance(step.operation, str) else step.operation
            inputs = [values[source] if isinstance(source, str) else source for source in step.inputs]
            values[step.output] = operation(*inputs)
            for name in step.finished:
                del values[name]
        return values[self.answer].flatten(1)


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
        """Add the node to the network, or compute it now if it depends only on constants."""
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
        """The layer of an operation with weights, if its first input depends on the image and these do not."""
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
    """Name of the layer in the code that was exported, if its weights or its own name still tell it."""
    weight = node.inputs[1] if len(node.inputs) > 1 else ""
    if (stem := weight.rpartition(".")[0]) and not set("/:") & set(weight):
        return stem  # layer1.0.conv1 of layer1.0.conv1.weight
    scopes = node.name.strip("/").split("/")[:-1]  # of /layer1/layer1.0/conv1/Conv
    pairs = zip(scopes, [*scopes, ""][1:], strict=True)
    inner = [scope for scope, within in pairs if not within.startswith(f"{scope}.")]
    return ".".join(inner) or node.name


COLORS = 3
PROBES = 2  # images of the pass that tells the shapes: another number than the 1 that many exports fix
TOLERANCE = 1e-3  # of one image alone against the same image in a batch, relative to the largest number


def load_onnx(path: Path, output: str | None = None, image_size: int = 112) -> OnnxNetwork:
    """Import an embedding network, in eval mode; images may come in batches of any size, even if the file fixes one.

    output: the one to take if there are several. image_size: height and width if the file leaves them free.
    BN nodes become BatchNorm1d and BatchNorm2d with their running statistics; weights that two nodes share become two.
    Raises OnnxError if the file is damaged or unsafe, listing all operations that are not imported, or if a batch
    mixes its images.
    """
    graph = read_graph(path, output)
    _refuse_unknown(graph, path)
    probe, channels_last = _probe(graph, image_size, path)
    with seeded(0):  # the initial weights of layers are overwritten, and the global generator is not to notice
        importer = Importer(graph, channels_last, path)
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
            "control flow, quantization or an optimizer of a runtime, in an opset of 11 to 20."
        )


def _probe(graph: Graph, image_size: int, path: Path) -> tuple[Tensor, bool]:
    """Images (2, 3, height, width) of noise, and whether the file wants colors as the last axis."""
    shape = graph.input_shape
    if len(shape) != 4 or COLORS not in (shape[1] or COLORS, shape[3]):
        raise OnnxError(
            f"{path} takes an input of shape {tuple(size or 'free' for size in shape)}, but faces are "
            "(n, 3, height, width). Export the network with images as its input."
        )
    channels_last = shape[3] == COLORS and shape[1] != COLORS
    height, width = (shape[1], shape[2]) if channels_last else (shape[2], shape[3])
    size = (PROBES, COLORS, height or image_size, width or image_size)
    return torch.rand(size, generator=torch.Generator().manual_seed(0)) * 2 - 1, channels_last


def _check_batches(network: OnnxNetwork, probe: Tensor, path: Path) -> None:
    """Compare images in a batch with each image by itself. Raises OnnxError if they differ."""
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
