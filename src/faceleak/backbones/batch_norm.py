"""The BN layers of a backbone, and reading what enters them, with nothing left behind."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.faces_input import face_batches
from faceleak.common.errors import FaceleakError
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions, pick_device
from faceleak.work.progress import track


class ReestimationError(FaceleakError):
    """There are too few faces to estimate statistics on."""


class NoBatchNormError(FaceleakError):
    """The backbone has no BN layer with running statistics, so nothing can be read from them."""


def batch_norms(net: nn.Module) -> dict[str, _BatchNorm]:
    """BN layers with running statistics, by name, in the order of definition (which is not that of execution)."""
    return {
        name: module
        for name, module in net.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def bn_layers(backbone: nn.Module) -> dict[str, _BatchNorm]:
    """`batch_norms`, of which there are some. Raises NoBatchNormError if there are none."""
    layers = batch_norms(backbone)
    if not layers:
        raise NoBatchNormError(
            "This backbone has no batch-normalization layer with running statistics (they may be folded into the "
            "convolutions). Signals that start with `bn_` cannot be read: choose others in parameters_membership.yml."
        )
    return layers


def statistics(layer: _BatchNorm) -> tuple[Tensor, Tensor]:
    """Running mean and variance (channels,) of one of `bn_layers`: the layer's own tensors, no copies."""
    assert layer.running_mean is not None
    assert layer.running_var is not None
    return layer.running_mean, layer.running_var


@contextmanager
def with_eps(net: nn.Module, change: Callable[[float], float]) -> Iterator[None]:
    """Let each BN layer have what `change` makes of its eps inside the block, and its own afterwards."""
    own = {layer: layer.eps for layer in batch_norms(net).values()}
    try:
        for layer in own:
            layer.eps = change(layer.eps)
        yield
    finally:
        for layer, before in own.items():
            layer.eps = before


@contextmanager
def reading(backbone: nn.Module) -> Iterator[None]:
    """Put every module into eval mode inside the block and each back into its own mode afterwards."""
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def layer_inputs(
    layers: dict[str, _BatchNorm], summarize: Callable[[_BatchNorm, Tensor], Any]
) -> Iterator[dict[str, Any]]:
    """Fill a dict with `summarize(layer, input)` of each layer at every forward pass inside the block."""
    summaries: dict[str, Any] = {}

    def hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        def store(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            summaries[name] = summarize(layer, inputs[0])  # type: ignore[arg-type]

        return store

    handles = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    try:
        yield summaries
    finally:
        for handle in handles:
            handle.remove()


def reestimate(backbone: Backbone, store: FaceStore, image_ids: Iterable[str], compute: ComputeOptions) -> Backbone:
    """Return a copy whose running statistics are averages over batches of these faces.

    An incomplete last batch is left out, where there is another. Raises NoBatchNormError, and ReestimationError with
    fewer than two faces.
    """
    device = pick_device(compute)
    copy = deepcopy(backbone).to(device).eval()
    layers = bn_layers(copy.net).values()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over all batches
        layer.train()
    positions = store.positions(image_ids)
    if len(positions) < 2:
        raise ReestimationError(
            f"BN statistics cannot be estimated on {len(positions)} faces: it takes two at least, and some hundred to "
            "be of use. Raise defense.bypass_images, and the number of auxiliary people; where a defense takes public "
            "faces, the number of public people."
        )
    batch_size = min(max(2, compute.batch_size), len(positions))  # one face has no variance
    number = len(positions) // batch_size
    batches = face_batches(store, positions[: number * batch_size], copy.canvas, batch_size, device)
    with torch.inference_mode():
        for faces in track(batches, "Re-estimating BN statistics", number, "batches"):
            copy(faces)
    for layer, original in zip(layers, bn_layers(backbone.net).values(), strict=True):
        layer.momentum = original.momentum
    return copy.eval()
