"""Training small networks on a signal's numbers, stopped early on people that are held out, and their losses."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from faceleak.membership.models.base import (
    Fold,
    Scaling,
    balanced_weights,
    best_threshold,
    folds_over_people,
    numbers,
    scaling_of,
)
from faceleak.work.compute import seeded, single_threaded

LOG_SCALES = (-5.0, 5.0)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of the logits outputs[:, 0] with targets 0 or 1; (n,)."""
    return functional.binary_cross_entropy_with_logits(outputs[:, 0], targets, reduction="none")


def gaussian(outputs: Tensor, targets: Tensor) -> Tensor:
    """−log N(target; outputs[:, 0], exp(outputs[:, 1])) less its constant; (n,)."""
    log_scale = outputs[:, 1].clamp(*LOG_SCALES)
    return 0.5 * ((targets - outputs[:, 0]) * (-log_scale).exp()) ** 2 + log_scale


Build = Callable[[], nn.Module]
Loss = Callable[[Tensor, Tensor], Tensor]  # outputs (n, k) and targets (n,) → (n,)


@dataclass(frozen=True)
class Schedule:
    """How long and how fast a network learns; `patience` epochs without gain on held-out people end it."""

    epochs: int = 40
    patience: int = 5
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    seed: int = 0


@dataclass(frozen=True)
class Examples:
    """rows (n, columns), targets (n,) and weights (n,) ≥ 0, float32; a row of weight 0 is not learned from."""

    rows: NDArray[np.float32]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


def cross_fit(
    build: Build, loss: Loss, examples: Examples, folds: Sequence[Fold], schedule: Schedule
) -> tuple[nn.Module, NDArray[np.float32]]:
    """Train on all examples for as many epochs as was best, in the median, for people held out in turn.

    Returns the network and what the networks of the folds say of the people they had not seen: (n, outputs). The same
    people end a fold's training, which moves their outputs a little towards their targets. Deterministic on a machine.
    """
    outputs: list[NDArray[np.float32]] = []
    epochs = []
    with single_threaded():
        for fitted, held_out in folds:
            network, best = _train(build, loss, examples, fitted, schedule, held_out)
            epochs.append(best)
            outputs.append(_outputs(network, examples.rows[held_out]))
        everything = np.arange(len(examples.rows))
        once = Schedule(**(vars(schedule) | {"epochs": max(1, round(float(np.median(epochs))))}))
        network, _ = _train(build, loss, examples, everything, once)
    order = np.argsort(np.concatenate([held_out for _, held_out in folds]))
    return network, np.concatenate(outputs)[order]


def fit_classifier(
    build: Build, table: pd.DataFrame, columns: Sequence[str], schedule: Schedule
) -> tuple[Scaling, tuple[float, ...], float]:
    """Tell members from non-members, who weigh the same in total: scaling of the columns, parameters, threshold.

    table has `identity`, `is_member` and the columns. The threshold is that with the best balanced accuracy, by
    cross-validation over people. Raises AttackFitError if there are so few people that this lacks a class.
    """
    folds, is_member = folds_over_people(table), table["is_member"].to_numpy(bool)
    values = numbers(table, columns)
    scaling = scaling_of(values)
    examples = Examples(scaling.apply(values), is_member.astype(np.float32), balanced_weights(is_member))
    network, held_out = cross_fit(build, cross_entropy, examples, folds, schedule)
    return scaling, flat(network), best_threshold(held_out[:, 0].astype(np.float64), is_member)


def flat(network: nn.Module) -> tuple[float, ...]:
    """All parameters, one after the other."""
    return tuple(parameters_to_vector(network.parameters()).tolist())


def evaluate(build: Build, parameters: Sequence[float], rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Outputs (n, outputs) of the network that `flat` wrote down."""
    with seeded(0):  # its own initial values are overwritten
        network = build()
    vector_to_parameters(torch.tensor(parameters, dtype=torch.float32), network.parameters())
    with single_threaded():
        return _outputs(network, rows)


def _train(
    build: Build,
    loss: Loss,
    examples: Examples,
    fitted: NDArray[np.intp],
    schedule: Schedule,
    held_out: NDArray[np.intp] | None = None,
) -> tuple[nn.Module, int]:
    """Train on the rows `fitted`; with `held_out`, return the epoch that was best for them and its network."""
    learned = torch.from_numpy(fitted[examples.weights[fitted] > 0])
    judged = torch.from_numpy(np.ascontiguousarray(fitted[:0] if held_out is None else held_out))
    rows, targets, weights = (
        torch.from_numpy(values) for values in (examples.rows, examples.targets, examples.weights)
    )
    with seeded(schedule.seed):
        network = build()
        optimizer = torch.optim.AdamW(
            network.parameters(), lr=schedule.learning_rate, weight_decay=schedule.weight_decay
        )
        best, best_loss, best_state = 0, np.inf, copy.deepcopy(network.state_dict())
        for epoch in range(1, schedule.epochs + 1):
            network.train()
            for batch in torch.split(learned[torch.randperm(len(learned))], schedule.batch_size):
                optimizer.zero_grad()
                torch.autograd.backward((loss(network(rows[batch]), targets[batch]) * weights[batch]).mean())
                optimizer.step()
            if held_out is None:
                continue
            network.eval()
            with torch.inference_mode():
                losses = loss(network(rows[judged]), targets[judged]) * weights[judged]
            if (current := float(losses.mean())) < best_loss:
                best, best_loss, best_state = epoch, current, copy.deepcopy(network.state_dict())
            elif epoch >= best + schedule.patience:
                break
    if held_out is not None:
        network.load_state_dict(best_state)
    return network.eval(), best


def _outputs(network: nn.Module, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        parts = [network(part) for part in torch.split(torch.from_numpy(rows), 4096)]
    outputs: NDArray[np.float32] = torch.cat(parts).numpy()
    return outputs
