"""Several processes of this machine that train one backbone together: each takes a share of every batch."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from faceleak.backbones.share import Share
from faceleak.backbones.synchronised import synchronise


@contextmanager
def joined(share: Share, meeting: Path, device: torch.device) -> Iterator[None]:
    """Belong to the processes that meet at the file `meeting`, which nobody else has used, inside the block.

    They talk through gloo on the CPU and through NCCL between GPUs, and listen on the loopback interface alone.
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


def data_parallel(step: nn.Module, share: Share, device: torch.device) -> nn.Module:
    """A module whose gradients, and whose BN in training, are those of all shares: itself where there is but one."""
    if share.processes == 1:
        return step
    synchronise(step, device)
    return DistributedDataParallel(step)


def mean_of_shares(values: Tensor, share: Share) -> Tensor:
    """The mean over all processes, which each of them gets."""
    if share.processes == 1:
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / share.processes
