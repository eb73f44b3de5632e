"""The networks of an audit: the names of their rates, and a stand-in for a backbone that does not exist yet."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import count

import torch

from faceleak.backbones.architectures import ARCHITECTURES, build
from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.loading import load_checkpoint
from faceleak.backbones.target_options import LoadOptions, TargetOptions
from faceleak.backbones.training_options import TrainingOptions
from faceleak.signals import Comparison, registry
from faceleak.signals.columns import column_names
from faceleak.signals.reading import signal_table
from faceleak.work.compute import ComputeOptions, pick_device, seeded

BYTES = 4  # of a float32
TIMED = (8, 4)  # faces at once, and how often
_numbers = count()
_columns: dict[tuple[str, str], list[str]] = {}


@dataclass(frozen=True)
class Network:
    """One architecture as it is configured. load: where it comes from, if it is not trained here."""

    card: BackboneCard
    load: LoadOptions | None = None

    @classmethod
    def of(cls, training: TrainingOptions | None, load: LoadOptions | None) -> "Network":
        """The network of a training; without one, that which is loaded."""
        if training is None:
            assert load is not None
            return cls(load.card(), load)
        return cls(
            BackboneCard(
                architecture=training.architecture,
                embedding_size=training.embedding_size,
                preprocessing=Preprocessing(image_size=training.image_size),
                normalization=training.normalization,
            )
        )

    @classmethod
    def of_target(cls, options: TargetOptions) -> "Network":
        """The network of the target."""
        return cls.of(options.train if options.source == "train" else None, options.load)

    @property
    def name(self) -> str:
        """Architecture, height and width, as rates are named: iresnet50 112x112."""
        height, width = self.card.preprocessing.canvas.shape
        return f"{self.card.architecture or 'onnx'} {height}x{width}"

    def make(self) -> Backbone:
        """The network with fresh weights, or those it comes with if it cannot be built without. Eval mode."""
        return _make(self.card.model_dump_json(), "" if self.load is None else self.load.model_dump_json())


@lru_cache(maxsize=4)
def _make(card: str, load: str) -> Backbone:
    described = BackboneCard.model_validate_json(card)
    if load and described.architecture not in ARCHITECTURES:
        options = LoadOptions.model_validate_json(load)
        return load_checkpoint(options.card(), options.weights, options.sha256)
    with seeded(0):
        return Backbone(build(described), described).eval()


class StandIn(Backbone):
    """A stand-in for a backbone that does not exist yet: its architecture with other weights, so no result is found."""

    def __init__(self, network: Network) -> None:
        made = network.make()
        super().__init__(made.net, made.card)
        self.head = made.head
        self.network, self._name = network, f"missing {next(_numbers)}"

    def network_hash(self) -> str:
        """Another one for each."""
        return self._name


def network_of(backbone: Backbone) -> Network:
    """The network of a backbone."""
    return backbone.network if isinstance(backbone, StandIn) else Network(backbone.card)


def weight_bytes(backbone: Backbone) -> int:
    """Bytes of all weights and statistics."""
    return sum(tensor.numel() * tensor.element_size() for tensor in backbone.net.state_dict().values())


def seconds_an_image(backbone: Backbone, compute: ComputeOptions) -> float:
    """How long the backbone takes for one face of a small batch."""
    device, (number, times) = pick_device(compute), TIMED
    faces = torch.rand(number, 3, *backbone.canvas.shape, device=device)
    found = backbone.to(device)
    seconds = []
    with torch.inference_mode():
        for _ in range(times):
            start = time.perf_counter()
            found(faces)
            seconds.append(time.perf_counter() - start)
    return max(1e-4, min(seconds) / number)


def columns(backbone: Backbone, names: Iterable[str]) -> list[str]:
    """The columns that these signals have on a backbone."""
    return [column for name in names for column in _columns_of(backbone, name)]


def _columns_of(backbone: Backbone, name: str) -> list[str]:
    key = (str(backbone.card.of_forward_pass()), name)
    if key not in _columns:
        signal = registry.get(name)
        if isinstance(signal, Comparison):
            _columns[key] = column_names(name, signal.columns)
        else:
            with torch.inference_mode():
                values = signal.read(backbone, torch.rand(2, 3, *backbone.canvas.shape)).numpy()
            _columns[key] = list(signal_table(signal, backbone, values).columns)
    return _columns[key]
