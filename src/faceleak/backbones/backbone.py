"""A backbone as faceleak handles it: a network together with the card that says how to feed it."""

import hashlib
import re
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from faceleak.backbones.card import BackboneCard
from faceleak.backbones.factories import LAYOUT
from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas

if TYPE_CHECKING:
    from faceleak.backbones.head import Head


class Backbone(nn.Module):
    """Faces (n, 3, height, width), RGB in 0…1 → embeddings (n, embedding_size), not normalized.

    Preprocessing is part of it, so images, generated faces and gradients all pass through the same steps, and so
    is the card's release. `head` is the classification head of the training, if there is one; it is no part of the
    weights. `layout`: how images and weights lie in memory, channels-last if the network takes it, which is faster.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, card: BackboneCard) -> None:
        super().__init__()
        self.layout: torch.memory_format = getattr(net, LAYOUT, torch.channels_last)
        self.net = net.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.card = card
        self.head: Head | None = None
        self.register_buffer("mean", torch.tensor(card.preprocessing.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(card.preprocessing.std).view(1, 3, 1, 1), persistent=False)

    @property
    def canvas(self) -> Canvas:
        """Height and width of the network's input in pixels, and how other images are brought to it."""
        return self.card.preprocessing.canvas

    def preprocess(self, faces: Tensor) -> Tensor:
        """Faces → input of the network."""
        faces = place_faces(faces, self.canvas)
        if self.card.preprocessing.color_order == "BGR":
            faces = faces.flip(1)
        return ((faces - self.mean) / self.std).contiguous(memory_format=self.layout)

    def forward(self, faces: Tensor) -> Tensor:
        embeddings: Tensor = self.net(self.preprocess(faces))
        release = self.card.release
        return embeddings if release is None else release.answer(embeddings)

    def weights_hash(self) -> str:
        """Hash of all weights and statistics. Embeddings depend on more than these: see `network_hash`."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.net.state_dict().items()):
            digest.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def network_hash(self) -> str:
        """Hash of all that an embedding depends on, the face excepted: the key of what is read off a backbone.

        Weights, the card without its training, the classes of all layers with what they say of themselves, and the
        source of those that belong to no installed library.
        """
        from faceleak.work.tasks import code_version, fingerprint

        classes = {type(module) for module in self.modules()}
        names = sorted(f"{found.__module__}:{found.__qualname__}" for found in classes)
        layers = re.sub(r" at 0x[0-9a-f]+", "", repr(self.net))  # addresses of functions are chance
        code = code_version(*self.source_modules())
        return fingerprint(self.weights_hash(), self.card.of_forward_pass(), names, layers, code)

    def source_modules(self) -> list[str]:
        """Names of the Python modules from which its network comes: that of the architecture, those of all layers."""
        from faceleak.backbones.architectures import source_module

        return [source_module(self.card.architecture), *self._own_modules()]

    def _own_modules(self) -> list[str]:
        from faceleak.work.closure import own

        return own({type(module).__module__ for module in self.modules()})
