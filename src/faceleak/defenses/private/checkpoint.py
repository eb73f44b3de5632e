"""State of private training between two steps. It holds private draws, and lies in the cache until training ends."""

from pathlib import Path
from typing import Any, TypeAlias

import torch
from opacus.accountants import PRVAccountant
from torch import nn

from faceleak.defenses.private.sampling import DrawRecord
from faceleak.pieces import writing

State: TypeAlias = tuple[nn.Module, torch.optim.Optimizer, torch.Generator, PRVAccountant, DrawRecord]


class DamagedError(Exception):
    """A checkpoint cannot be read, or is of another training; nothing was restored."""


def save(path: Path, state: State) -> None:
    """Write everything that the next step depends on, whole or not at all."""
    model, optimizer, random, accountant, record = state
    content = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": random.get_state(),
        "accountant": [list(entry) for entry in accountant.history],
        "sizes": record.sizes,
        "times_drawn": record.times_drawn,
    }
    with writing(path) as partial:
        torch.save(content, partial)


def restore(path: Path, state: State) -> None:
    """Put the content back into its parts; tensors and plain data only, so that no code can run.

    Raises DamagedError before anything is changed.
    """
    model, optimizer, random, accountant, record = state
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        missing = {"model", "optimizer", "random", "accountant", "sizes", "times_drawn"} - set(content)
    except Exception as error:  # readers of damaged files raise whatever they stumble on
        raise DamagedError from error
    if missing:
        raise DamagedError
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    random.set_state(content["random"])
    accountant.history = [tuple(entry) for entry in content["accountant"]]
    record.sizes[:] = content["sizes"]
    record.times_drawn.copy_(content["times_drawn"])
