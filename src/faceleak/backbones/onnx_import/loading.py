"""An ONNX file → a torch module. Nothing of the file runs but the operations listed in `functions` and `layers`."""

from collections import Counter
from pathlib import Path

import torch
from torch import Tensor

from faceleak.backbones.onnx_import.functions import FUNCTIONS
from faceleak.backbones.onnx_import.graph import Graph, OnnxError
from faceleak.backbones.onnx_import.importer import Importer
from faceleak.backbones.onnx_import.layers import LAYERS
from faceleak.backbones.onnx_import.network import OnnxNetwork
from faceleak.backbones.onnx_import.reading import read_graph
from faceleak.work.compute import seeded

COLORS = 3
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
