"""Several processes of this machine that train one backbone together: each takes a share of every batch.

BN is torch's `SyncBatchNorm`, which takes only tensors on GPUs: on the CPU only backbones without BN that learns from
the batch are trained so.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class Share:
    """That of process `rank` among `processes`: an equal part of each batch, the first one first."""

    rank: int = 0
    processes: int = 1

    @property
    def writes(self) -> bool:
        """Whether this process is the one that reports and writes for all."""
        return self.rank == 0

    def slice(self, images: int) -> slice:
        """Where the images of this share lie in a batch that has so many in each share."""
        return slice(self.rank * images, (self.rank + 1) * images)

    def positions(self, order: NDArray[np.int64], batch_size: int) -> NDArray[np.int64]:
        """Positions of whole batches, one after the other → those of this share, in the same order."""
        return order.reshape(-1, self.processes, batch_size // self.processes)[:, self.rank].ravel()


WHOLE = Share()


@contextmanager
def joined(share: Share, meeting: Path, device: torch.device) -> Iterator[None]:
    """Belong to the processes that meet at the file `meeting`, which nobody else has used, inside the block.

    They talk through gloo on the CPU and through NCCL between GPUs, and listen only on the loopback interface.
    """
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    os.environ.update(GLOO_SOCKET_IFNAME=loopback, NCCL_SOCKET_IFNAME=loopback)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=meeting.absolute().as_uri(),
        rank=share.rank,
        world_size=share.processes,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()


def data_parallel(step: nn.Module, share: Share) -> nn.Module:
    """A module whose gradients, and whose BN in training, are those of all shares: itself if there is but one.

    Names, weights and running statistics of its BN layers stay what they are, so what is saved fits the network as
    it was built.
    """
    if share.processes == 1:
        return step
    nn.SyncBatchNorm.convert_sync_batchnorm(step)  # type: ignore[no-untyped-call]
    return DistributedDataParallel(step)


def mean_of_shares(values: Tensor, share: Share) -> Tensor:
    """The mean over all processes, which each of them gets."""
    if share.processes == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / share.processes
