"""The content of an ONNX file as plain Python: its graph, and how many BN layers exporters left in it.

Protobuf only: no code runs, nothing outside the file's folder is opened.
Format: https://github.com/onnx/onnx/blob/main/docs/IR.md and docs/ExternalData.md.
"""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto
    from torch import Tensor


class OnnxError(FaceleakError):
    """An ONNX file is missing, damaged, unsafe, or holds what cannot be imported."""


@dataclass(frozen=True)
class Node:
    """One operation. `inputs` are names, "" for one left out; `attributes` keep ONNX's names."""

    op: str
    name: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.op} {self.name!r}"


@dataclass(frozen=True)
class Graph:
    """Nodes in the order of execution, and the one input and output that are of interest.

    `input_shape`: the declared dimensions, None if one is free. `opset`: version of ONNX's own operators.
    """

    nodes: tuple[Node, ...]
    constants: "dict[str, Tensor]"
    input: str
    input_shape: tuple[int | None, ...]
    output: str
    opset: int


MAXIMUM_BYTES = 4 << 30  # of the file and of all tensors beside it
OWN_DOMAINS = ("", "ai.onnx")


def read_model(path: Path) -> "ModelProto":
    """Parse the file, without data in other files. Raises OnnxError."""
    import onnx
    from google.protobuf.message import DecodeError

    if not path.is_file():
        raise OnnxError(f"There is no ONNX file {path}.")
    if (size := path.stat().st_size) > MAXIMUM_BYTES:
        raise OnnxError(f"{path} has {size:,} bytes, more than the {MAXIMUM_BYTES:,} that are read.")
    try:
        model = onnx.load(path, format="protobuf", load_external_data=False)
    except DecodeError as error:
        raise OnnxError(f"{path} is damaged or not an ONNX file: {error}") from error
    if not model.graph.node:
        raise OnnxError(f"{path} is damaged or not an ONNX file: it holds no operations.")
    return model


def operator(node: "NodeProto") -> str:
    """Name of the operation, with its domain if that is not ONNX's own."""
    return _text(node.op_type) if node.domain in OWN_DOMAINS else f"{_text(node.domain)}::{_text(node.op_type)}"


def _text(value: str | bytes) -> str:
    """Text that is no UTF-8 is given as bytes."""
    return value if isinstance(value, str) else value.decode(errors="replace")


def read_graph(path: Path, output: str | None = None) -> Graph:
    """Read nodes and constants; `output` names the output to take if there are several. Raises OnnxError."""
    model = read_model(path)
    if model.graph.sparse_initializer:
        raise OnnxError(f"{path} holds sparse weights, which are not imported. Export it with dense ones.")
    _load_external(model, path)
    try:
        return _graph(model, output, path)
    except OnnxError:
        raise
    except Exception as error:  # readers of damaged files raise whatever they stumble on
        raise OnnxError(f"{path} is damaged: {error!r}") from error


def _graph(model: "ModelProto", output: str | None, path: Path) -> Graph:
    received = _only_input(model.graph, path)
    return Graph(
        tuple(_node(node, number) for number, node in enumerate(model.graph.node)),
        {_text(tensor.name): _tensor(tensor) for tensor in model.graph.initializer},
        _text(received.name),
        _shape(received),
        _chosen_output(model.graph, output, path),
        _opset(model),
    )


def _opset(model: "ModelProto") -> int:
    return next((int(entry.version) for entry in model.opset_import if entry.domain in OWN_DOMAINS), 1)


def _only_input(graph: "GraphProto", path: Path) -> "ValueInfoProto":
    from onnx import TensorProto

    weights = {tensor.name for tensor in graph.initializer}  # older files list them among the inputs
    inputs: list[ValueInfoProto] = [received for received in graph.input if received.name not in weights]
    if len(inputs) != 1:
        names = ", ".join(_text(received.name) for received in inputs)
        raise OnnxError(f"{path} has {len(inputs)} inputs ({names}), an embedding network has one: the image.")
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16):
        name = TensorProto.DataType.Name(kind).lower()
        raise OnnxError(f"{path} takes images as {name}, but faces are given as float. Export it with a float input.")
    return inputs[0]


def _chosen_output(graph: "GraphProto", wanted: str | None, path: Path) -> str:
    names = [_text(given.name) for given in graph.output]
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None or wanted not in names:
        asked = "no one is chosen" if wanted is None else f"{wanted!r} was asked for"
        raise OnnxError(f"{path} has the outputs {', '.join(names)}, and {asked}. Name the one with the embedding.")
    return wanted


def _shape(value: "ValueInfoProto") -> tuple[int | None, ...]:
    dimensions = value.type.tensor_type.shape.dim
    return tuple(size.dim_value if size.WhichOneof("value") == "dim_value" else None for size in dimensions)


def _node(node: "NodeProto", number: int) -> Node:
    attributes = {attribute.name: _attribute(attribute) for attribute in node.attribute}
    name = _text(node.name) or f"{operator(node)}_{number}"
    return Node(operator(node), name, tuple(map(_text, node.input)), "".join(map(_text, node.output[:1])), attributes)


def _attribute(attribute: Any) -> Any:
    import onnx

    value = onnx.helper.get_attribute_value(attribute)
    if isinstance(value, onnx.TensorProto):
        return _tensor(value)
    return _text(value) if isinstance(value, bytes) else value


def _tensor(tensor: "TensorProto") -> "Tensor":
    """Any float as float32, any integer as int64."""
    import numpy as np
    import torch
    from onnx import numpy_helper

    array = numpy_helper.to_array(tensor)
    kind = array.dtype
    if np.issubdtype(kind, np.bool_):
        return torch.from_numpy(array.copy())
    if not (np.issubdtype(kind, np.floating) or np.issubdtype(kind, np.integer)):
        raise ValueError(f"the tensor {tensor.name!r} holds {kind}, which is not imported")
    return torch.from_numpy(array.astype(np.float32 if np.issubdtype(kind, np.floating) else np.int64))


def _load_external(model: "ModelProto", path: Path) -> None:
    """Read tensors from external files of the model. Raises OnnxError for a file elsewhere, or one that misfits."""
    from onnx import external_data_helper as helper

    attributes = [attribute.t for node in model.graph.node for attribute in node.attribute if attribute.HasField("t")]
    tensors = [tensor for tensor in (*model.graph.initializer, *attributes) if helper.uses_external_data(tensor)]
    total = 0
    for tensor in tensors:
        total += _checked_length(tensor, path)
        if total > MAXIMUM_BYTES:
            raise OnnxError(f"The tensors beside {path} have more than the {MAXIMUM_BYTES:,} bytes that are read.")
    for tensor in tensors:
        try:
            helper.load_external_data_for_tensor(tensor, str(path.parent))
        except Exception as error:  # the helper raises what its checker does
            raise OnnxError(f"{path}: the data of {tensor.name!r} cannot be read: {error}") from error
        tensor.data_location = tensor.DEFAULT


def _checked_length(tensor: "TensorProto", path: Path) -> int:
    """Bytes that the tensor's dimensions ask for, which must lie in a file of the model's folder."""
    from math import prod

    from onnx import helper

    where = {entry.key: entry.value for entry in tensor.external_data}
    location, folder = where.get("location", ""), path.parent.resolve()
    file = (folder / location).resolve()
    if Path(location).is_absolute() or not file.is_relative_to(folder) or not file.is_file():
        raise OnnxError(
            f"{path}: the data of {tensor.name!r} lies in {location!r}, which is not a file of the same folder. "
            "Keep the model and its data in one folder."
        )
    try:
        offset = int(where.get("offset", 0))
        wanted = int(prod(tensor.dims)) * helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        stated = int(where.get("length", wanted))
    except (ValueError, KeyError) as error:
        raise OnnxError(f"{path} is damaged: the place of {tensor.name!r} is no number ({error}).") from error
    if min(offset, wanted) < 0 or stated != wanted or offset + wanted > file.stat().st_size:
        raise OnnxError(f"{path}: {location} does not hold the {wanted} bytes of {tensor.name!r} at {offset}.")
    return wanted


ACTIVATIONS = {"Relu", "PRelu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "HardSigmoid", "Elu", "Selu"}
AFTER_BN = ACTIVATIONS | {"Add"}  # a residual block adds after its last BN
FUSED = ("com.microsoft::FusedConv", "com.microsoft.nchwc::Conv")
ADVICE = (
    "Export again with BN kept: torch.onnx.export(…, training=torch.onnx.TrainingMode.PRESERVE, "
    "do_constant_folding=False, dynamo=False), the network in eval mode."
)


@dataclass(frozen=True)
class SurvivingBatchNorms:
    """Counts of nodes. `probably_folded`: convolutions with a bias, with an activation or a sum right after them."""

    batch_norms: int
    convolutions: int
    probably_folded: int

    @property
    def meaning(self) -> str:
        """What the audit can read, in words."""
        kept, lost = self.batch_norms, self.probably_folded
        if kept and not lost:
            return f"All signs are that the {kept} BN layers are complete: BN and embedding signals both work."
        if kept:
            return (
                f"{kept} BN layers are there, and about {lost} were probably folded into convolutions: BN signals read "
                f"a part of what the network knows, embedding signals still work. {ADVICE}"
            )
        if lost:
            return (
                f"No BN layer is there, and {lost} of {self.convolutions} convolutions look as if BN was folded into "
                f"them: BN signals are impossible, embedding signals still work. {ADVICE}"
            )
        return (
            "The network has no BN layer and shows no sign of one: BN signals are impossible, embedding signals work."
        )


def surviving_batch_norms(path: Path) -> SurvivingBatchNorms:
    """Count BN nodes and convolutions of an ONNX file without reading its weights. Raises OnnxError."""
    nodes = read_model(path).graph.node
    followers = defaultdict(set)
    for node in nodes:
        for name in node.input:
            followers[name].add(operator(node))
    kinds = [operator(node) for node in nodes]
    with_bias = [node for node, kind in zip(nodes, kinds, strict=True) if kind == "Conv" and any(node.input[2:])]
    folded = [node for node in with_bias if any(followers[name] & AFTER_BN for name in node.output)]
    fused = sum(kind in FUSED for kind in kinds)
    return SurvivingBatchNorms(kinds.count("BatchNormalization"), kinds.count("Conv") + fused, len(folded) + fused)
