"""The `audit` pipeline, which is also a plain `kedro run`: everything there is."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import attack, defense, faces, repeats, report

PARTS = {"faces": faces, "attack": attack, "repeats": repeats, "defense": defense, "report": report}


def create_pipeline() -> Pipeline:
    """The attack on the target, several targets side by side, every variant against every attacker, and the report."""
    return sum((part.create_pipeline() for part in PARTS.values()), Pipeline([]))
