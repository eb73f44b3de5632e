"""The `audit` pipeline, which is also a plain `kedro run`: everything there is."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import attack, defense, repeats, report


def create_pipeline() -> Pipeline:
    """The attack on the target, several targets side by side, every variant against every attacker, and the report."""
    rooms = (attack, repeats, defense, report)
    return sum((room.create_pipeline() for room in rooms), Pipeline([]))
