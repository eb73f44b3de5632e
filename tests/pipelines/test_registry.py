"""Pipelines as they are wired: names, DVC stages, start-up."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from inspect import signature
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import get_origin, get_type_hints

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, pipelines
from kedro.pipeline import Node, Pipeline
from pydantic import BaseModel

from faceleak.common.trees import flatten
from faceleak.reporting.audit.files import MADE_BY
from faceleak.runs.hooks import OrderHooks
from faceleak.runs.order import PipelinesError, in_order, together
from faceleak.settings import CONFIG_LOADER_ARGS

from .conftest import PROJECT

OF_THE_AUDIT = {
    "faces",
    "target",
    "membership",
    "reconstruction",
    "defense",
    "repeats",
    "attack",
    "report",
    "audit",
}
PIPELINES = OF_THE_AUDIT | {
    "erasure",
    "gate",
    "plan",
    "prior",
    "sweep",
    "targeted",
    "tuning",
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


def test_attack_takes_references_and_evaluators_from_one_node_once_the_target_was_looked_at() -> None:
    """All are trained in the first one where the target is trained too; a loaded target is looked at before."""
    trainers = [
        node for node in pipelines["attack"].nodes if {"target", "references", "evaluators"} & set(node.outputs)
    ]
    assert [node.name for node in trainers] == ["train_backbones", "train_others"]


@pytest.mark.parametrize("name", ["attack", "membership", "audit"])
def test_references_wait_for_what_the_target_is_worth(name: str) -> None:
    (trainer,) = (node for node in pipelines[name].nodes if "references" in node.outputs)
    assert "utility_metrics" in trainer.inputs


@pytest.mark.parametrize("name", ["attack", "membership", "repeats", "audit"])
def test_attacks_are_checked_before_anything_is_trained(name: str) -> None:
    names = [node.name for node in pipelines[name].nodes]
    trainers = [place for place, node in enumerate(names) if node.startswith("train_")]
    assert names.index("check_attacks") < min(trainers)


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


def pipeline_of(stage: dict) -> Pipeline:
    """The nodes that the command of a DVC stage runs."""
    options = dict(word.removeprefix("--").split("=") for word in stage["cmd"].split() if word.startswith("--"))
    chosen = {"node_names": options.get("nodes"), "from_nodes": options.get("from-nodes")}
    pipeline: Pipeline = pipelines[options["pipelines"]]
    return pipeline.filter(**{kind: names.split(",") for kind, names in chosen.items() if names})


def test_dvc_stages_declare_exactly_what_their_pipelines_write_and_all_that_they_read() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    paths = catalog_paths()
    for name, stage in stages.items():
        pipeline = pipeline_of(stage)
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


@pytest.fixture(scope="module")
def configuration() -> OmegaConfigLoader:
    return OmegaConfigLoader(str(PROJECT / "conf"), env="base", **CONFIG_LOADER_ARGS)


@pytest.fixture
def as_run(configuration: OmegaConfigLoader) -> Iterator[Callable[..., list[str]]]:
    """Names of nodes in the order in which `kedro run --pipelines=…` runs them."""

    def nodes_of(*names: str) -> list[str]:
        pipelines.set_requested(list(names) or None)
        OrderHooks().after_context_created(SimpleNamespace(config_loader=configuration))
        run = sum((pipelines[name] for name in names or ["__default__"]), Pipeline([]))
        return [node.name for node in run.filter().nodes]

    yield nodes_of
    configure_project("faceleak")  # which loads all of them anew


@pytest.mark.parametrize("names", [("target", "membership", "report"), ("report", "repeats", "gate"), ("audit",), ()])
def test_the_report_comes_last(as_run: Callable[..., list[str]], names: tuple[str, ...]) -> None:
    last = ["compose_report", "write_report"] + ["enforce_policies"] * ("gate" in names)
    assert as_run(*names)[-len(last) :] == last


def test_a_gate_judges_what_the_same_command_measures_and_the_report_shows_it(as_run: Callable[..., list[str]]) -> None:
    nodes = as_run("gate", "report", "attack")
    measured = [nodes.index(f"measure_{stage}") for stage in ("utility", "membership", "reconstruction")]
    assert max(measured) < nodes.index("judge_policies") < nodes.index("compose_report")
    assert nodes[-1] == "enforce_policies"  # which ends the run where one is violated


def test_pipelines_alone_need_nothing_of_others(as_run: Callable[..., list[str]]) -> None:
    for name in ("report", "gate", "plan"):
        nodes = as_run(name)
        assert set(pipelines[name].inputs()) <= {"audit_results", "all_metrics", "packed_faces", "origin"} | {
            source for node in pipelines[name].nodes for source in node.inputs if source.startswith("params:")
        }
        assert len(nodes) == len(pipelines[name].nodes)


def test_from_a_node_on_the_report_is_made_again(as_run: Callable[..., list[str]]) -> None:
    as_run("membership", "report")
    run = sum((pipelines[name] for name in ("membership", "report")), Pipeline([]))
    again = [node.name for node in run.filter(from_nodes=["draw_roc"]).nodes]
    assert again == ["draw_roc", "compose_report", "write_report"]


def test_every_node_comes_after_those_that_write_what_it_reads(configuration: OmegaConfigLoader) -> None:
    parameters, catalog = configuration["parameters"], configuration["catalog"]
    read_of = what_is_read(flatten(dict(parameters), "."))
    checked = set()
    for names in combinations(sorted(PIPELINES), 2):
        one, other = (pipelines[name] for name in names)
        if not any(
            read_of.get(source, set()) & writes.all_outputs() - {source}
            for reads, writes in ((one, other), (other, one))
            for source in reads.all_inputs()
        ):
            continue
        try:
            run = in_order(together({name: pipelines[name] for name in names}), catalog, parameters)
        except PipelinesError:  # both train what the other trains
            continue
        place = {node.name: number for number, node in enumerate(run.nodes)}
        makers = {output: node for node in run.nodes for output in node.outputs}
        for node in run.nodes:
            for output in set().union(*(read_of.get(source, set()) for source in node.inputs)) & makers.keys():
                maker = makers[output]
                if place[maker.name] > place[node.name]:
                    assert node in run.to_nodes(maker.name).nodes, (names, maker.name, node.name)
                else:
                    checked.add((maker.name, node.name))
    assert {("pack_faces", "plan_audit"), ("judge_policies", "compose_report")} <= checked
    assert ("train_prior", "train_backbones") in checked  # by reconstruction.trained_prior


def what_is_read(parameters: dict[str, object]) -> dict[str, set[str]]:
    """Input of a node → outputs whose files it reads: by folder, pattern or path, of the catalog or a parameter."""
    paths = {name: PROJECT / path for name, path in catalog_paths().items()}
    named = {f"params:{key}": PROJECT / text for key, text in parameters.items() if isinstance(text, str) and text}
    inputs = set().union(*(pipeline.all_inputs() for pipeline in pipelines.values()))
    within = {
        source: {
            name
            for name, file in paths.items()
            if file == paths[source] or paths[source] in file.parents or file.match(str(paths[source]))
        }
        for source in inputs & paths.keys()
    }
    return within | {
        source: {
            name
            for name, file in paths.items()
            for key, path in named.items()
            if f"{key}.".startswith(f"{source}.") and (file == path or file in path.parents)
        }
        for source in inputs
        if source.startswith("params:")
    }


def test_repeats_make_references_only_where_nobody_else_in_the_command_does(as_run: Callable[..., list[str]]) -> None:
    made = as_run("attack", "repeats")
    assert "train_others" in made
    assert "train_references" not in made
    assert set(made) >= {"draw_targets", "write_comparison", "check_attacks"}
    assert "train_references" in as_run("faces", "repeats")
    assert as_run("faces", "membership", "repeats").count("train_references") == 1


def test_each_stage_of_tuning_is_whole(as_run: Callable[..., list[str]]) -> None:
    as_run("tuning")
    tuning = pipelines["tuning"]
    attack, search = tuning.only_nodes_with_tags("membership"), tuning.only_nodes_with_tags("reconstruction")
    assert {node.name for node in attack.nodes} & {node.name for node in search.nodes} == {"view_target"}
    assert {*attack.nodes, *search.nodes} == {*tuning.nodes}
    for stage, other, best in ((attack, search, "tuned_attack"), (search, attack, "tuned_search")):
        assert best in stage.all_outputs()
        assert stage.inputs().isdisjoint(other.all_outputs())


def test_two_that_train_the_same_are_refused() -> None:
    with pytest.raises(PipelinesError, match=r"attack and target both make `target`.*--pipelines"):
        together({name: pipelines[name] for name in ("attack", "target")})


def test_a_node_is_given_only_what_it_asks_for() -> None:
    def read(folder: str) -> str:
        return folder.upper()

    run = Pipeline([Node(read, "folder", "read", name="a"), Node(lambda x: x, "params:x", "file", name="b")])
    catalog = {"folder": {"filepath": "data"}, "file": {"filepath": "data/file"}}
    b, a = in_order(run, catalog, {}).nodes
    assert (a.name, b.name) == ("a", "b")
    assert a.inputs == ["folder", "file"]
    assert a.run({"folder": "x", "file": "y"}) == {"read": "X"}


def test_every_stage_is_tracked_with_the_parameters_it_reads() -> None:
    stages = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
    for name, stage in stages.items():
        tracked = {key.split(".")[0] for entry in stage.get("params", []) for keys in entry.values() for key in keys}
        used = {p.removeprefix("params:").split(".")[0] for p in pipeline_of(stage).inputs() if p.startswith("params:")}
        assert used - {"compute"} == tracked, name


def test_kedro_can_resolve_the_hints_of_every_node_and_so_checks_its_parameters() -> None:
    for node in {node for pipeline in pipelines.values() for node in pipeline.nodes}:
        hints = get_type_hints(node.func)
        takes = signature(node.func).parameters
        for source, name in zip(node.inputs, takes, strict=False):
            if source.startswith("params:") and "." not in source:
                kind = hints[name]
                assert get_origin(kind) is list or issubclass(kind, BaseModel), (node.name, source)


@pytest.mark.parametrize("env", ["base", "smoke"])
def test_nothing_heavy_is_imported_by_wiring_a_pipeline_and_checking_its_configuration(env: str) -> None:
    code = f"""
import sys
from kedro.config import OmegaConfigLoader
import faceleak.pipelines.faces, faceleak.pipelines.report, faceleak.runs.hooks
from faceleak.runs.configuration import check_parameters
from faceleak.settings import CONFIG_LOADER_ARGS
check_parameters(OmegaConfigLoader("conf", env="{env}", **CONFIG_LOADER_ARGS)["parameters"], made=())
print(*sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    loaded = run.stdout.split()
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
