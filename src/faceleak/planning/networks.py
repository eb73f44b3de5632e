"""The networks of an audit: what their weights take, and which columns signals have that are read off them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from faceleak.backbones.architectures import ARCHITECTURES
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.target_options import LoadOptions, TargetOptions
from faceleak.backbones.training_options import TrainingOptions
from faceleak.reconstruction.options import EvaluatorOptions

if TYPE_CHECKING:
    from faceleak.backbones.backbone import Backbone

BYTES = 4  # of a float32


@dataclass(frozen=True)
class Network:
    """One architecture as it is configured. load: where it comes from, if it is not trained here."""

    card: BackboneCard
    load: LoadOptions | None = None

    @classmethod
    def trained(cls, options: TrainingOptions) -> "Network":
        """The network of a training."""
        preprocessing = Preprocessing(image_size=options.image_size)
        return cls(
            BackboneCard(
                architecture=options.architecture,
                embedding_size=options.embedding_size,
                preprocessing=preprocessing,
                normalisation=options.normalisation,
            )
        )

    @classmethod
    def of_target(cls, options: TargetOptions) -> "Network":
        """The network of the target."""
        if options.source == "train" and options.train is not None:
            return cls.trained(options.train)
        assert options.load is not None
        return cls(options.load.card(), options.load)

    @classmethod
    def of_evaluator(cls, options: EvaluatorOptions) -> "Network":
        """The network of a judge."""
        if options.training is not None:
            return cls.trained(options.training)
        assert options.load is not None
        return cls(options.load.card(), options.load)

    @property
    def name(self) -> str:
        """Architecture, height and width, as rates are named: iresnet50 112x112."""
        height, width = self.card.preprocessing.canvas.shape
        return f"{self.card.architecture or 'onnx'} {height}x{width}"

    def make(self) -> "Backbone":
        """The network with fresh weights, or those it comes with where it cannot be built without. Eval mode."""
        from faceleak.backbones.architectures import build
        from faceleak.backbones.backbone import Backbone
        from faceleak.backbones.loading import load_checkpoint
        from faceleak.compute import seeded

        if self.load is not None and self.card.architecture not in ARCHITECTURES:
            return load_checkpoint(self.load.card(), self.load.weights, self.load.sha256)
        with seeded(0):
            return Backbone(build(self.card), self.card).eval()

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weights and statistics."""
        return _weight_bytes(self._described())

    def columns(self, names: Sequence[str]) -> dict[str, list[str]]:
        """The columns that each of these signals has on this network."""
        return {name: list(_columns(self._described(), name)) for name in names}

    def _described(self) -> tuple[str, str]:
        return self.card.model_dump_json(), "" if self.load is None else self.load.model_dump_json()


@lru_cache(maxsize=1)
def _made(described: tuple[str, str]) -> "Backbone":
    card, load = described
    options = LoadOptions.model_validate_json(load) if load else None
    return Network(BackboneCard.model_validate_json(card), options).make()


@cache
def _weight_bytes(described: tuple[str, str]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in _made(described).net.state_dict().values())


@cache
def _columns(described: tuple[str, str], name: str) -> tuple[str, ...]:
    import torch

    from faceleak.signals import Signal, registry
    from faceleak.signals.observation import observe

    signal, backbone = registry.get(name), _made(described)
    if not isinstance(signal, Signal):
        return tuple(signal.columns)
    if signal.column_names is not None:
        return tuple(signal.column_names(backbone.net))
    with torch.inference_mode():
        faces = torch.rand(2, 3, *backbone.canvas.shape)
        width = signal.compute(observe(backbone, faces, signal.needs)).shape[1]
    return tuple(map(str, range(width)))
