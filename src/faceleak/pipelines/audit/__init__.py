"""The `audit` pipeline, which is also a plain `kedro run`: everything there is."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import attack, defense, faces, repeats, report
from faceleak.runs.order import side_by_side

PARTS = {"faces": faces, "attack": attack, "repeats": repeats, "defense": defense, "report": report}


def create_pipeline() -> Pipeline:
    """The attack on the target, several targets side by side, every variant against every attacker, and the report."""
    return sum(create_parts().values(), Pipeline([]))


def create_parts() -> dict[str, Pipeline]:
    """What the audit has of each pipeline."""
    return side_by_side({name: part.create_pipeline() for name, part in PARTS.items()})
