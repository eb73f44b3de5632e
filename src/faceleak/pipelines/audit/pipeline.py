"""The `audit` pipeline, which is also a plain `kedro run`: everything there is."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import attack, defense


def create_pipeline() -> Pipeline:
    """The attack on the target, then every variant against every attacker."""
    return attack.create_pipeline() + defense.create_pipeline()
