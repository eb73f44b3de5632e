"""Which images of a batch are those of one process, where several train a backbone together."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
