"""How many faces a search of stage 2 draws, ranks and climbs."""

from faceleak.planning.configured import Audit
from faceleak.planning.work import Cost
from faceleak.reconstruction.objectives.consistency import IMAGES
from faceleak.reconstruction.options import FILMED, SearchOptions

STEPS_SHOWN = 3  # sets of faces that are drawn and scored at the end


def faces_ranked(search: SearchOptions) -> int:
    """Faces that are drawn and scored without gradients."""
    filmed = min(search.selected, FILMED) * (search.rounds + 1)
    return (
        search.candidates + search.images_per_person * sum(_climbers(search)) + STEPS_SHOWN * search.selected + filmed
    )


def faces_climbed(search: SearchOptions) -> int:
    """Faces through which gradients are taken."""
    images = IMAGES if search.objective.get("consistency") else 1
    return search.steps * images * sum(_climbers(search))


def _climbers(search: SearchOptions) -> list[int]:
    """Latents that each round starts from."""
    return [search.starts, *search.kept[:-1]]


def searching_costs(audit: Audit, rounds: int) -> tuple[Cost, ...]:
    """What one search of so many rounds takes."""
    search, name = audit.reconstruction.search.model_copy(update={"rounds": rounds}), audit.of_target.name
    return Cost(f"ranking faces by {name}", faces_ranked(search)), Cost(f"climbing by {name}", faces_climbed(search))
