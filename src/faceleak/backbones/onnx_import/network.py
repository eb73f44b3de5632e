"""A torch module that runs imported operations one after the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

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
