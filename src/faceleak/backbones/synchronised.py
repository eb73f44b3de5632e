"""BN over the whole batch, where several processes train a backbone together and each sees a share of it."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.batchnorm import _BatchNorm


def synchronise(net: nn.Module, device: torch.device) -> nn.Module:
    """Let BN layers, in the network itself, take mean and variance over the shares of all processes.

    Names, weights and running statistics stay what they are, so that what is saved fits the network as it was built.
    """
    if device.type == "cuda":
        return nn.SyncBatchNorm.convert_sync_batchnorm(net)  # type: ignore[no-untyped-call, no-any-return]
    for layer in net.modules():  # torch's takes tensors on GPUs alone
        if isinstance(layer, _BatchNorm):
            layer.__class__ = SynchronisedBatchNorm
    return net


class SynchronisedBatchNorm(_BatchNorm):
    """(n, channels, …) of this process → the same shape, normalised over the n·processes of all of them.

    In training; in eval mode it is BN. All processes have the same n, at least one.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        others, shape = [0, *range(2, x.dim())], (1, -1, *[1] * (x.dim() - 2))
        count = x.numel() // x.shape[1] * distributed.get_world_size()
        values = x.to(torch.promote_types(x.dtype, torch.float32))
        mean = _sum(values.sum(others)) / count
        centred = values - mean.view(shape)
        variance = _sum(centred.square().sum(others)) / count
        self._remember(mean.detach(), variance.detach() * count / max(1, count - 1))
        normalised: Tensor = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(x.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"BN takes at least 2 dimensions, not {input.dim()}")


def _sum(values: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """The sum over all processes, and so is its gradient."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        distributed.all_reduce(total)
        return total
