"""The audit that is configured, as far as its costs depend on it."""

from dataclasses import dataclass
from functools import cached_property

from faceleak.backbones.target_options import TargetOptions
from faceleak.backbones.training_options import TrainingOptions
from faceleak.compute import ComputeOptions
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import FacesOptions
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.planning.counts import Counts
from faceleak.planning.networks import BYTES, Network
from faceleak.planning.work import Cost
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.signals.reading import readers_of

ID_BYTES = 100  # of names, hashes and labels in a row of a table


@dataclass(frozen=True)
class Audit:
    """All options, and how many people and images play each role."""

    faces: FacesOptions
    target: TargetOptions
    membership: MembershipOptions
    reconstruction: ReconstructionOptions
    defense: DefenseOptions
    bootstrap: BootstrapOptions
    compute: ComputeOptions
    counts: Counts

    @cached_property
    def of_target(self) -> Network:
        """The target's network."""
        return Network.of_target(self.target)

    @cached_property
    def of_references(self) -> Network:
        """The references' network."""
        return Network.trained(self.membership.references.training)

    @cached_property
    def of_evaluators(self) -> dict[str, Network]:
        """The judges' networks by their names."""
        return {name: Network.of_evaluator(evaluator) for name, evaluator in self.reconstruction.evaluators.items()}

    @property
    def images_of_a_reference(self) -> int:
        """Images that one reference is trained on."""
        options = self.membership.references
        return round(options.member_share * options.training_share * self.counts.images("auxiliary"))

    @property
    def images_read_of_references(self) -> int:
        """Images that signals of each reference are read for."""
        people, images = self.counts.people("auxiliary"), self.counts.images("auxiliary")
        read = self.membership.references.read_people
        return images if read is None or read >= people else round(images * read / people)

    def backbone_bytes(self, network: Network, people: int) -> float:
        """Bytes of a trained backbone on disk, in the cache and under 06_models, with its head for so many people."""
        return 2 * (network.weight_bytes + people * network.card.embedding_size * BYTES)

    def cached_columns(self, network: Network, signals: list[str]) -> int:
        """Numbers an image that the cache keeps of these signals."""
        names = [signal.name for signal in readers_of(signals)]
        return sum(map(len, network.columns(names).values()))

    def shards(self, images: int) -> int:
        """Pieces that so many images of one backbone are read as."""
        return max(1, -(-images // self.compute.shard_images))

    def table_columns(self, network: Network, signals: list[str]) -> int:
        """Numbers an image in a table of these signals; comparisons are read among other images too."""
        widths = {name: len(columns) for name, columns in network.columns(signals).items()}
        read = {signal.name for signal in readers_of(signals)}
        return sum(width if name in read else 2 * width for name, width in widths.items())


def training_cost(network: Network, options: TrainingOptions, images: int, epochs: int | None = None) -> Cost:
    """Training on `images`: an incomplete last batch is left out of each epoch."""
    steps = images // options.batch_size
    return Cost(f"training {network.name}", (options.epochs if epochs is None else epochs) * steps * options.batch_size)


def reading_cost(network: Network, images: float, shards: int = 1) -> Cost:
    """Forward passes with all that signals read on the way; a plain embedding is counted as one too."""
    return Cost(f"reading {network.name}", images, shards)
