"""Work of an audit: kinds of pieces, what each piece takes, and where its result stays."""

from dataclasses import dataclass
from typing import Literal

PipelineName = Literal["faces", "attack", "repeats", "defense"]


@dataclass(frozen=True)
class Cost:
    """So many `units` of `quantity`, whose rate is measured or stated; all workers share its `shards`."""

    quantity: str
    units: float
    shards: int = 1


@dataclass(frozen=True)
class Work:
    """`pieces` alike, each of which takes `costs`.

    pool: pieces of the same pool are made side by side by all workers; without one, one after the other by the driver.
    there: how many are in the cache already. kept: whether they stay in the cache at all. disk: bytes of a piece.
    held: bytes that all pieces together take in the driver's memory.
    """

    pipeline: PipelineName
    kind: str
    pieces: int
    costs: tuple[Cost, ...]
    pool: str = ""
    there: int = 0
    kept: bool = True
    disk: float = 0.0
    held: float = 0.0

    @property
    def missing(self) -> int:
        """Pieces that are still to be made."""
        return self.pieces - self.there
