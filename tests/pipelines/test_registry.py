"""Pipelines as they are wired: names, DVC stages, start-up."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kedro.framework.project import configure_project, pipelines

from faceleak.reporting.audit.files import MADE_BY

from .conftest import PROJECT

OF_THE_AUDIT = {
    "faces",
    "target",
    "membership",
    "reconstruction",
    "reporting",
    "defense",
    "repeats",
    "compare",
    "attack",
    "report",
    "audit",
}
PIPELINES = OF_THE_AUDIT | {
    "gate",
    "judge_sheet",
    "plan",
    "prior",
    "sweep",
    "targeted",
    "tuning",
    "tuning_reconstruction",
}
HEAVY = ("torch", "kornia", "great_expectations")


@pytest.fixture(scope="module", autouse=True)
def _configured() -> None:
    configure_project("faceleak")


def test_all_pipelines_are_found_and_audit_is_the_default() -> None:
    assert set(pipelines) == PIPELINES | {"__default__"}
    assert {node.name for node in pipelines["__default__"].nodes} == {node.name for node in pipelines["audit"].nodes}


def test_audit_makes_everything_that_the_others_make() -> None:
    for name in OF_THE_AUDIT:
        assert pipelines[name].all_outputs() <= pipelines["audit"].all_outputs(), name


def test_attack_trains_all_backbones_in_one_node() -> None:
    trainers = [
        node for node in pipelines["attack"].nodes if {"target", "references", "evaluators"} & set(node.outputs)
    ]
    assert [node.name for node in trainers] == ["train_backbones"]


def catalog_paths() -> dict[str, str]:
    paths = {}
    for file in (PROJECT / "conf/base").glob("catalog_*.yml"):
        for name, entry in yaml.safe_load(file.read_text()).items():
            path = entry.get("filepath") or entry.get("dataset", {}).get("filepath")
            if path:
                paths[name] = path.replace("${globals:data}", "data")
    return paths


def stage_files(stage: dict, *kinds: str) -> set[str]:
    entries = [entry for kind in kinds for entry in stage.get(kind, [])]
    return {next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries}


def test_dvc_stages_declare_exactly_what_their_pipelines_write_and_all_that_they_read() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    paths = catalog_paths()
    for name, stage in stages.items():
        pipeline = pipelines[name]
        written = {paths[output] for output in pipeline.all_outputs() if output in paths}
        assert stage_files(stage, "outs", "metrics", "plots") == written, name
        if name == "report":  # which reads whatever is there
            continue
        read = {paths[source] for source in pipeline.inputs() if source in paths}
        assert {file for file in stage_files(stage, "deps") if file.startswith("data/")} == read, name


def test_the_report_depends_on_all_metrics_and_on_nothing_that_no_stage_makes() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    of_report = stages.pop("report")
    read = {file for file in stage_files(of_report, "deps") if file.startswith("data/")}
    made = {name: stage_files(stage, "outs", "metrics", "plots") for name, stage in stages.items()}
    everything = set().union(*made.values())
    assert read <= everything
    assert {file for file in everything if file.endswith("_metrics.json")} <= read
    for pipeline, files in MADE_BY.items():
        for file in {f"data/08_reporting/{file}" for file in files} & everything:
            assert file in made[pipeline], file
            assert file in read, file


def test_the_report_waits_for_everything_else() -> None:
    nodes = pipelines["audit"].nodes
    last = [node.name for node in nodes[-2:]]
    waits = next(node for node in nodes if node.name == "compose_report")
    others = pipelines["audit"] - pipelines["report"].only_nodes("write_report")
    assert last == ["compose_report", "write_report"]
    assert set((others - others.only_nodes("compose_report")).outputs()) <= set(waits.inputs)


def test_every_stage_is_tracked_with_the_parameters_it_reads() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        tracked = {key.split(".")[0] for entry in stage.get("params", []) for keys in entry.values() for key in keys}
        used = {p.removeprefix("params:").split(".")[0] for p in pipelines[name].inputs() if p.startswith("params:")}
        assert used - {"compute"} == tracked, name


@pytest.mark.parametrize("name", ["faces", "reporting"])
def test_nothing_heavy_is_imported_by_wiring_a_pipeline(name: str) -> None:
    code = f"import sys, faceleak.pipelines.{name}, faceleak.hooks; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not [module for module in HEAVY if module in loaded]


def test_dvc_dag_is_sound(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    dvc = str(Path(sys.executable).with_name("dvc"))
    subprocess.run([dvc, "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "dvc.yaml").write_text((PROJECT / "dvc.yaml").read_text())
    (tmp_path / "conf").symlink_to(PROJECT / "conf")
    dag = subprocess.run([dvc, "dag", "--dot"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert '"faces" -> "target"' in dag
    assert '"target" -> "membership"' in dag
