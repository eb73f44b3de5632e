"""BN insertion: a backbone without stored statistics gets them measured in the places where BN was or could be.

Observers in the shape of BN layers stand in front of each normalization, of each place that folding left empty, and
behind each other convolution or linear layer. They pass on what they see, so embeddings stay equal to the bit, and
hold its statistics over the attacker's own faces, so all signals that start with `bn_` can be read. BN layers that
are there are re-estimated. The attacker needs the weights and some faces.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reading, reestimate
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.normalization import ScaleAndShift
from faceleak.bypasses import OwnFaces
from faceleak.work.compute import pick_device

ACCESS = "weights"
IS_A_BACKBONE = False
NORMALIZATIONS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, ScaleAndShift, nn.Identity)
LINEAR = (nn.Conv2d, nn.Linear)


class _Observer(_BatchNorm):
    """BN without weights that learns statistics in train mode; its output is that of `layer`."""

    def __init__(self, channels: int, layer: nn.Module) -> None:
        super().__init__(channels, affine=False)
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            super().forward(x.detach())
        passed_on: Tensor = self.layer(x)
        return passed_on


class MapObserver(_Observer, nn.BatchNorm2d):
    """Of activations (n, channels, height, width)."""


class VectorObserver(_Observer, nn.BatchNorm1d):
    """Of activations (n, channels)."""


OBSERVERS = {4: MapObserver, 2: VectorObserver}  # by the number of dimensions


def bypass(released: Backbone, own: OwnFaces) -> Backbone:
    """Insert observers and estimate all statistics. Raises NoBatchNormError if there is no place for any."""
    device = pick_device(own.compute)
    observed = deepcopy(released).to(device).eval()
    positions = own.store.positions(own.images["image_id"][:2])
    for faces in face_batches(own.store, positions, observed.canvas, 2, device):
        insert_observers(observed, faces)
    return reestimate(observed, own.store, own.images["image_id"], own.compute)


def insert_observers(backbone: Backbone, faces: Tensor) -> None:
    """Put an observer at each place that activations of `faces` pass, in the network itself."""
    passed: dict[nn.Module, tuple[Tensor, Tensor]] = {}  # the input and output of each layer

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        passed[layer] = inputs[0], output

    handles = [
        module.register_forward_hook(note)
        for module in backbone.net.modules()
        if isinstance(module, (*NORMALIZATIONS, *LINEAR))
    ]
    try:
        with torch.no_grad(), reading(backbone):
            backbone.net(backbone.preprocess(faces))
    finally:
        for handle in handles:
            handle.remove()
    normalized = [taken for layer, (taken, _) in passed.items() if isinstance(layer, NORMALIZATIONS)]
    for name, layer in list(backbone.net.named_modules()):
        if layer not in passed or isinstance(layer, _BatchNorm):
            continue
        taken, given = passed[layer]
        if isinstance(layer, NORMALIZATIONS) and taken.dim() in OBSERVERS:
            _replace(backbone.net, name, OBSERVERS[taken.dim()](taken.shape[1], layer))
        elif isinstance(layer, LINEAR) and given.dim() in OBSERVERS and not any(given is taken for taken in normalized):
            observer = OBSERVERS[given.dim()](given.shape[1], nn.Identity())
            _replace(backbone.net, name, nn.Sequential(layer, observer))


def _replace(net: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(net.get_submodule(parent), child, module.to(next(net.parameters()).device))
