"""The `audit` pipeline, which is also a plain `kedro run`: everything there is."""

from kedro.pipeline import Pipeline

from faceleak.pipelines import attack, defense, repeats


def create_pipeline() -> Pipeline:
    """The attack on the target, several targets side by side, and every variant against every attacker."""
    return attack.create_pipeline() + repeats.create_pipeline() + defense.create_pipeline()
