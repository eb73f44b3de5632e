"""What hooks write down: the settings that a result was made with, in the file beside it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.pipeline import Pipeline

from faceleak.reporting.audit.files import SPLITS, TARGET_CARD, ResultFiles
from faceleak.runs.hooks import OriginHooks
from faceleak.settings import CONFIG_LOADER_ARGS

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def _configured() -> None:
    configure_project("faceleak")


def results_of(folder: Path, *names: str, made: dict[str, str], **params: Any) -> dict[str, Any]:
    """Blocks of the configuration that are written down, after a run of these pipelines has saved results."""
    data = folder / "data"
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env="base", runtime_params=params, **CONFIG_LOADER_ARGS)
    hooks = OriginHooks()
    hooks.after_context_created(SimpleNamespace(config_loader=loader, project_path=folder))
    run = sum((pipelines[name] for name in names), Pipeline([]))
    hooks.before_pipeline_run({"pipeline_names": list(names), "runtime_params": params}, run, {})
    for dataset, file in made.items():
        path = data / file if "/" in file else data / "08_reporting" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({dataset: params}))
        hooks.after_dataset_saved(dataset)
    files = ResultFiles(data)
    written = {file: files.made_with(file) for file in made.values()}
    return {file: made_with.parameters for file, made_with in written.items() if made_with is not None}


MADE = {
    "splits": SPLITS,
    "target": TARGET_CARD,
    "utility_metrics": "utility_metrics.json",
    "membership_metrics": "membership_metrics.json",
    "reconstruction_metrics": "reconstruction_metrics.json",
}


def test_of_each_result_the_settings_are_written_down_that_led_to_it(tmp_path: Path) -> None:
    written = results_of(tmp_path, "attack", made=MADE, bootstrap={"level": 0.9})
    assert {file: sorted(blocks) for file, blocks in written.items()} == {
        SPLITS: ["faces"],
        TARGET_CARD: ["faces", "target"],
        "utility_metrics.json": ["bootstrap", "faces", "target"],
        "membership_metrics.json": ["attackers", "bootstrap", "faces", "membership", "target"],
        "reconstruction_metrics.json": ["bootstrap", "faces", "membership", "reconstruction", "target"],
    }
    assert {blocks["bootstrap"]["level"] for blocks in written.values() if "bootstrap" in blocks} == {0.9}


def test_of_results_of_several_commands_those_of_the_earlier_ones_are_kept(tmp_path: Path) -> None:
    first = {"splits": SPLITS, "target": TARGET_CARD}
    results_of(tmp_path, "faces", "target", made=first, faces={"splits": {"seed": 7}}, bootstrap={"level": 0.9})
    later = results_of(tmp_path, "membership", made={"membership_metrics": "membership_metrics.json"})
    made_with = later["membership_metrics.json"]
    assert (made_with["faces"]["splits"]["seed"], made_with["bootstrap"]["level"]) == (7, 0.95)
    assert results_of(tmp_path, "report", made={}) == {}
    assert ResultFiles(tmp_path / "data").made_with(SPLITS).command == (  # type: ignore[union-attr]
        "kedro run --pipelines=faces,target --params=faces.splits.seed=7,bootstrap.level=0.9"
    )


def test_what_is_written_down_is_of_the_very_result(tmp_path: Path) -> None:
    results_of(tmp_path, "membership", made={"membership_metrics": "membership_metrics.json"})
    result = tmp_path / "data/08_reporting/membership_metrics.json"
    files = ResultFiles(tmp_path / "data")
    assert files.made_with("membership_metrics.json") is not None
    result.write_text(json.dumps({"another": {}}))
    assert ResultFiles(tmp_path / "data").made_with("membership_metrics.json") is None


def test_variants_are_made_with_all_that_the_target_was(tmp_path: Path) -> None:
    results_of(tmp_path, "faces", "target", made={"splits": SPLITS, "target": TARGET_CARD})
    made = {"defense.membership_metrics": "defense_membership_metrics.json"}
    (blocks,) = results_of(tmp_path, "defense", made=made).values()
    assert {"faces", "target", "membership", "defense", "bootstrap"} <= blocks.keys()
    assert "compute" not in blocks
