"""The loop of all training: step by step, with progress, resumable after a kill at any moment.

Interrupted or not, the same comes of it to the bit: a step depends only on its number and on what `state_dict` gives.
"""

from abc import ABC, abstractmethod
from copy import deepcopy
from pathlib import Path
from typing import Any

from faceleak.work.progress import track
from faceleak.work.tasks import writing

CHECKPOINT = "checkpoint.pt"


class Resumable(ABC):
    """Training that has taken `done` steps; what a step is (an epoch, a batch) is up to the training."""

    done = 0

    @abstractmethod
    def step(self) -> None:
        """Take the step number `done`, counted from 0."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on, except its number: tensors and plain data."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""

    def restore(self, path: Path, at_most: int) -> None:
        """Continue from the checkpoint at `path`, without running code of it.

        Stay as begun without one, and with one that cannot be read, is of another training, or is beyond `at_most`
        steps.
        """
        import torch

        if not path.exists():
            return
        begun = deepcopy(self.state_dict())
        try:
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
            if checkpoint["done"] <= at_most:
                self.load_state_dict(checkpoint["state"])
                self.done = checkpoint["done"]
        except Exception:  # readers of damaged files raise whatever they stumble on, when a part is restored already
            self.load_state_dict(begun)

    def train_until(
        self, steps: int, path: Path, description: str = "", unit: str = "", *, every: int = 1, writes: bool = True
    ) -> None:
        """Take the steps that are left of so many, and leave a checkpoint at `path` after each `every` of them.

        Progress is shown if there is a `description`. writes: whether this process reports and writes for all that
        train together.
        """
        left = range(self.done, steps)
        for _ in track(left, description, len(left), unit) if description and writes else left:
            self.step()
            self.done += 1
            if writes and self.done % every == 0:
                self.save(path)

    def save(self, path: Path) -> None:
        """Write all that the next step depends on, whole or not at all."""
        import torch

        with writing(path) as partial:
            torch.save({"done": self.done, "state": self.state_dict()}, partial)
