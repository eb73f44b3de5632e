"""Work of an audit: kinds of tasks, what each task takes, and where its result stays."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from faceleak.common.errors import FaceleakError

if TYPE_CHECKING:
    from faceleak.planning.rates import Rate
    from faceleak.planning.sample import Sample


@dataclass(frozen=True)
class Quantity:
    """Something that takes time in proportion to how much there is of it. `name`: its key in `plan.rates`.

    measure: does a little of it, on a few faces, and says how long a unit takes.
    """

    name: str
    measure: "Callable[[Sample], Rate]"


@dataclass(frozen=True)
class Cost:
    """So many `units` of `quantity`; all workers share its `shards`."""

    quantity: Quantity
    units: float
    shards: int = 1


@dataclass(frozen=True)
class Work:
    """`tasks` alike, each of which takes `costs`.

    pool: tasks of the same pool are made side by side by all workers; without one, one after the other by the driver.
    there: how many are in the cache already. kept: whether they stay in the cache at all. disk: bytes of a task.
    held: bytes that all tasks together take in the driver's memory. pipeline: the one whose node does it.
    """

    kind: str
    tasks: int
    costs: tuple[Cost, ...]
    pool: str = ""
    there: int = 0
    kept: bool = True
    disk: float = 0.0
    held: float = 0.0
    pipeline: str = ""

    @property
    def missing(self) -> int:
        """Tasks that are still to be made."""
        return self.tasks - self.there


class NotPlannedError(FaceleakError):
    """A pipeline cannot run as it is configured: the plan leaves it out."""


@dataclass(frozen=True)
class Planned:
    """What a node would do. outputs: what stands for its outputs, in their order, if other nodes' plans need it."""

    works: Iterable[Work] = ()
    outputs: tuple[Any, ...] = ()


def merged(works: Iterable[Work]) -> list[Work]:
    """The same works, those of a kind that take the same as one."""
    found: dict[Any, Work] = {}
    for work in works:
        takes = tuple((cost.quantity.name, cost.units, cost.shards) for cost in work.costs)
        key = (work.pipeline, work.kind, work.pool, work.kept, work.disk, takes)
        if (same := found.get(key)) is not None:
            work = replace(  # noqa: PLW2901
                work,
                tasks=work.tasks + same.tasks,
                there=work.there + same.there,
                held=work.held + same.held,
            )
        found[key] = work
    return list(found.values())
