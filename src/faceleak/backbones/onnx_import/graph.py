"""An ONNX graph as plain Python: nodes in order, constants as tensors."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
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

    `input_shape`: the declared dimensions, None where one is free. `opset`: version of ONNX's own operators.
    """

    nodes: tuple[Node, ...]
    constants: "dict[str, Tensor]"
    input: str
    input_shape: tuple[int | None, ...]
    output: str
    opset: int
