"""The plan as a user runs it: over an audit that is done, before anything is there, with parts of the user's own."""

import json
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.pipeline import Node, Pipeline

from faceleak.auditing.faces import split_faces
from faceleak.auditing.planned import plan_target
from faceleak.defenses.options import VariantOptions
from faceleak.pipelines.audit import create_parts, create_pipeline
from faceleak.pipelines.defense.planned import plan_variants
from faceleak.pipelines.plan.walk import walk
from faceleak.planning.sample import StatedFaces
from faceleak.planning.tasks import Audit, Tasks
from faceleak.planning.work import Work
from faceleak.runs.configuration import Parameters
from faceleak.settings import CONFIG_LOADER_ARGS

from .conftest import PROJECT, kedro

OVERHEAD = "tables and figures"


@pytest.fixture(scope="module")
def audit() -> Audit:
    """The options of the smoke environment."""
    loader = OmegaConfigLoader(str(PROJECT / "conf"), env="smoke", **CONFIG_LOADER_ARGS)
    options = Parameters.model_validate(loader["parameters"])
    return Audit(**{field.name: getattr(options, field.name) for field in fields(Audit)})


@pytest.fixture
def before(audit: Audit, tmp_path: Path) -> Tasks:
    """The tasks of an audit of which nothing is there."""
    demo, nowhere = audit.faces.demo, audit.compute.model_copy(update={"cache": tmp_path})
    assert demo is not None
    store = StatedFaces(demo.people, demo.people * demo.images_per_person, 2000.0)
    return Tasks(replace(audit, compute=nowhere), store, split_faces(store.manifest(), audit.faces))


def planned(tasks: Tasks) -> list[Work]:
    return walk(create_parts(), tasks)


@pytest.mark.slow
def test_before_an_audit_its_tasks_are_missing_and_after_it_nothing_is_left(
    audited: Path, before: Tasks, tmp_path: Path
) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'mlflow.db'}"  # other tests count the audit's runs
    run = kedro(audited, "run", "--env=smoke", "--pipelines=plan", MLFLOW_TRACKING_URI=elsewhere)
    assert run.returncode == 0, run.stderr
    plan = json.loads((audited / "data/smoke/08_reporting/plan.json").read_text())
    kept = {f"{line['pipeline']}: {line['kind']}": line for line in plan["lines"] if line["kept"]}
    assert {name: line["there"] for name, line in kept.items()} == {n: line["tasks"] for n, line in kept.items()}
    assert sum(line["seconds"] + line["disk"] for line in kept.values()) == 0
    assert plan["totals"]["audit"]["seconds"] > plan["totals"]["attack"]["seconds"] > 0
    assert "What is still to be done" in run.stdout
    missing = Counter[str]()
    for work in planned(before):
        if work.kept and f"{work.pipeline}: {work.kind}" in kept:
            assert work.there == 0
            missing[f"{work.pipeline}: {work.kind}"] += work.tasks
    told = {name: line["tasks"] for name, line in kept.items()}
    views = "defense: signals of views"  # a bypass may give back a network that has been read
    assert 0 < told.pop(views) <= missing.pop(views)
    assert told == missing


def test_before_an_audit_all_is_missing_and_each_node_counts(before: Tasks) -> None:
    works = planned(before)
    assert sum(work.there for work in works) == 0
    assert sum(work.tasks for work in works if work.kind == OVERHEAD) == len(create_pipeline().nodes)
    tasks = {f"{work.pipeline}: {work.kind}": work for work in works if work.kept}
    assert tasks["attack: reference backbones"].tasks == 4
    assert tasks["attack: signals of references"].tasks == 4
    assert tasks["defense: variants that are trained"].tasks == 1  # early_stopping
    assert [tasks[f"attack: {step}"].tasks for step in ("ceiling", "class centers", "head given")] == [1, 1, 1]
    assert not {"defense: ceiling", "defense: class centers", "defense: head given"} & set(tasks)  # made by then
    assert {work.kind for work in works if work.pool == "train_backbones"} == {
        "evaluator first",
        "evaluator second",
        "evaluator resembling",
        "target",
        "reference backbones",
    }


def test_a_defense_from_outside_takes_what_its_module_says(
    before: Tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package_of_mine"
    package.mkdir()
    common = "from faceleak.common.options import Options\nBYPASSES = ()\n"
    common += "class Settings(Options): pass\ndef defend(*_): ...\n"
    trains = "from dataclasses import replace\ndef tasks(owner, settings, seed): return [replace(owner.training"
    sources = {
        "training": f"{trains}, options=owner.training.options.model_copy(update={{'epochs': 7}}))]\n",
        "stating": "def quantity(owner, settings): return 3.5 * len(owner.public)\n",
        "touching": "",
    }
    for name, source in sources.items():
        (package / f"{name}.py").write_text(common + source)
    monkeypatch.syspath_prepend(tmp_path)
    variants = [VariantOptions(defense=f"package_of_mine.{name}") for name in sources]
    before.options = replace(before.options, defense=before.options.defense.model_copy(update={"variants": variants}))
    (target,) = plan_target(before).outputs
    trained, touched = plan_variants(before, target).works, []
    *trained, touched = trained
    costs = [cost for work in trained for cost in work.costs]
    members, public = len(before.splits[before.splits["role"] == "member"]), len(before.public)
    training = before.options.target.train
    assert training is not None
    batches = members // training.batch_size
    assert [work.kind for work in trained] == ["variants that are trained"] * 2
    assert [cost.quantity.name for cost in costs] == ["training iresnet_tiny 32x32"] * 2
    assert [cost.units for cost in costs] == [7 * batches * training.batch_size, 3.5 * public]
    assert touched.kind == "variants that are not"
    assert [(cost.quantity.name, cost.units) for cost in touched.costs] == [("reading iresnet_tiny 32x32", public)]


def test_a_pipeline_from_outside_is_planned_for(before: Tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pipeline_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "nodes.py").write_text("def label(images, threshold): ...\ndef show(labels): ...\n")
    (package / "planned.py").write_text(
        "from faceleak.planning.quantities import packing\n"
        "from faceleak.planning.work import Cost, Planned, Work\n"
        "from pipeline_of_mine import nodes\n"
        "def plan_labels(plan, threshold):\n"
        "    return Planned([Work('labels', 1, (Cost(packing(), threshold * len(plan.splits)),))])\n"
        "PLANNED = {nodes.label: plan_labels}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from pipeline_of_mine import nodes  # type: ignore[import-not-found]

    made = Pipeline(
        [Node(nodes.label, ["images", "params:reconstruction.far"], "labels"), Node(nodes.show, "labels", "figure")]
    )
    labels, overhead = walk({"mine": made}, before)
    assert (labels.pipeline, labels.kind) == ("mine", "labels")
    assert labels.costs[0].units == before.options.reconstruction.far * len(before.splits)
    assert (overhead.kind, overhead.tasks) == (OVERHEAD, 2)


@pytest.mark.slow
def test_a_stated_rate_of_nothing_stops_with_what_there_is(project: Path) -> None:
    (project / "conf/local/parameters_plan.yml").write_text(
        "plan: {rates: {training iresnet: {per_second: 5, source: guessed}}}"
    )
    run = kedro(project, "run", "--env=local", "--pipelines=plan")
    assert run.returncode == 1
    assert "plan.rates has training iresnet; this audit takes a node," in run.stderr
