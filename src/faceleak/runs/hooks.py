"""Hooks of every Kedro run: the configuration is checked as a whole, and MLflow records the run."""

import time
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro_mlflow.framework.hooks import MlflowHook
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel
from yaml import YAMLError

from faceleak.common.errors import run_in
from faceleak.common.named import check_name
from faceleak.common.options import TrackingOptions
from faceleak.common.trees import flatten, merge_metrics
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.options import completed
from faceleak.reporting.audit.files import ResultFiles, result_at
from faceleak.runs import terminal
from faceleak.runs.configuration import ConfigurationError, check_parameters
from faceleak.runs.order import in_order, together
from faceleak.work.compute import keep_freed_memory, share_cores
from faceleak.work.lock import working_alone

if TYPE_CHECKING:
    from faceleak.reporting.results import Variant

STAGES = ("utility_metrics", "membership_metrics", "reconstruction_metrics")
ERASURE = "erasure_metrics"
TARGETED = ("targeted_metrics", "person_image_metrics")
TUNING = {"tuning_metrics", "tuning_reconstruction_metrics"}


def results_of(pipeline: Pipeline, catalog: DataCatalog) -> "list[Variant]":
    """What a run has measured of the target, with what it was given of that; empty without any."""
    from faceleak.reporting.results import read_variants

    made = pipeline.all_outputs()
    if "results" in made:
        return read_variants(catalog.load("results"))
    if made.isdisjoint(STAGES):
        return []
    return read_variants(merge_metrics(*(catalog.load(name) for name in STAGES if name in made | pipeline.inputs())))


def read_once(loader: OmegaConfigLoader) -> None:
    """Read the configuration once for all its users. Raises ConfigurationError if it is not there or no YAML."""
    folder, environment = Path(loader.conf_source), loader.env or loader.default_run_env
    if folder.is_dir() and not (folder / environment).is_dir():
        check_name(environment, "environment", sorted(path.name for path in folder.glob("*/")), ConfigurationError)
    try:
        loader.update({kind: loader[kind] for kind in ("globals", "catalog")})
        loader.update({"parameters": completed(loader["parameters"])})
    except (MissingConfigException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigurationError(f"The configuration cannot be read, so nothing was run: {error}") from error


class ValidationHooks:
    """Check all parameters before anything else happens: each block always, what blocks need of each other if used."""

    def __init__(self) -> None:
        self._parameters: dict[str, Any] = {}

    @hook_impl(tryfirst=True)
    def after_context_created(self, context: KedroContext) -> None:
        """Raise ConfigurationError naming each wrong key, its value and what is allowed."""
        loader: Any = context.config_loader
        run_in(loader.env)
        read_once(loader)
        self._parameters = loader["parameters"]
        parameters = check_parameters(self._parameters, made=())
        share_cores(parameters.compute)
        keep_freed_memory()

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Raise ConfigurationError if blocks do not fit together that this run takes together."""
        check_parameters(self._parameters, pipeline.all_outputs())


class OrderHooks:
    """Order nodes by the files that they read: Kedro does by the datasets that they name."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Let the nodes of all pipelines that run in this command wait for each other."""
        from kedro.framework.project import pipelines

        loader: Any = context.config_loader
        catalog, parameters = loader["catalog"], loader["parameters"]
        runs = {name: pipeline for name, pipeline in pipelines.items() if pipeline.nodes}
        if "__default__" not in pipelines:  # Kedro has loaded those that were asked for, and runs them as one
            runs = dict.fromkeys(runs, together(runs))
        for name, run in runs.items():
            ordered = in_order(run, catalog, parameters)
            own = {node.name for node in pipelines[name].nodes}
            pipelines[name] = Pipeline([node for node in ordered.nodes if node.name in own])


class LockHooks:
    """One run at a time in a data folder: two would mix their results."""

    def __init__(self) -> None:
        self._data, self._held = Path(), ExitStack()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where results go."""
        self._data = Path(context.project_path) / context.config_loader["globals"]["data"]

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self) -> None:
        """Take the folder. Raises BusyFolderError if another run has it."""
        self._held.close()
        self._held.enter_context(working_alone(self._data))

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        """Give the folder back."""
        self._held.close()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        """Give the folder back."""
        self._held.close()


class TrackingHooks(MlflowHook):
    """kedro-mlflow's tracking, with flat parameters, provenance tags, and runs that never stay RUNNING."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Make MLflow's database, whole or not at all, before anything opens it; remember what MLflow is told."""
        from faceleak.runs import tracking

        loader: Any = context.config_loader
        loader.config_patterns.setdefault("mlflow", ["mlflow*", "mlflow*/**", "**/mlflow*"])
        with suppress(MissingConfigException):
            server = loader["mlflow"].get("server") or {}
            tracking.make_database(server.get("mlflow_tracking_uri") or "")
        super().after_context_created(context)
        parameters = loader["parameters"]
        self._source = str(parameters["faces"]["source"])
        self._options = TrackingOptions.model_validate(parameters.get("tracking", {}))

    @hook_impl
    def after_catalog_created(self, catalog: DataCatalog) -> None:
        """Leave datasets lazy: kedro-mlflow would make them all, to name some of kinds that are not used here."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Close runs of processes that are gone, start this one, tag it with where its numbers come from."""
        from faceleak.runs import tracking

        experiment_id = self.mlflow_config.tracking.experiment._experiment.experiment_id
        tracking.close_orphans(experiment_id)
        tracking.describe_experiment(experiment_id)
        with tracking.system_metrics(self._options.system_metrics):
            super().before_pipeline_run(run_params, pipeline, catalog)
        tracking.tag_origin(run_params)

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Describe the run by what it found, before it ends."""
        from faceleak.reporting.results import read_variants
        from faceleak.runs import tracking

        made, found = pipeline.all_outputs(), results_of(pipeline, catalog)
        tracking.summarize(found)
        points, recommendation = None, ""
        if "defense.results" in made:
            tracking.summarize(read_variants(catalog.load("defense.results")))
            points = catalog.load("defense.privacy_utility_points")
            recommendation = catalog.load("defense.recommendation")
        tracking.describe(found, points, recommendation)
        super().after_pipeline_run(run_params, pipeline, catalog)

    @hook_impl
    def after_node_run(self, inputs: dict[str, Any], outputs: dict[str, Any]) -> None:
        """Tag the run with the hashes of data and target, once a node has handled them; log the curves it has made."""
        from faceleak.runs import curves, tracking

        tracking.tag_hashes({**inputs, **outputs}, self._source)
        curves.log_curves(outputs)

    def _log_param(self, name: str, value: Any) -> None:
        if isinstance(value, BaseModel):
            for key, leaf in flatten(value.model_dump(mode="json"), ".").items():
                super()._log_param(f"{name}.{key}", leaf)
        else:
            super()._log_param(name, value)


class OriginHooks:
    """Give the report the origin of its run and the settings of its results."""

    def __init__(self) -> None:
        self._writing = Lock()
        self._data, self._parameters, self._results = Path(), dict[str, Any](), dict[str, str]()
        self._pipeline, self._command = Pipeline([]), ""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember the parameters, and which datasets are results."""
        loader: Any = context.config_loader
        data = loader["globals"]["data"]
        self._data = Path(context.project_path) / data
        self._parameters = check_parameters(loader["parameters"], made=()).model_dump(mode="json")
        paths = {name: entry.get("filepath") for name, entry in loader["catalog"].items()}
        self._results = {
            name: result
            for name, path in paths.items()
            if path and (result := result_at(str(path).removeprefix(f"{data}/")))
        }

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Give `origin`, which no node makes, to the pipelines that take it."""
        from faceleak.pipelines.attack import trained_apart
        from faceleak.runs import origin

        self._pipeline, self._command = trained_apart(pipeline), origin.command(run_params)
        if "origin" in pipeline.inputs():
            catalog["origin"] = MemoryDataset(origin.describe(run_params))

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        """Write down what a result was made with: what the nodes took that led to it, and what they started from."""
        if dataset_name not in self._results:
            return
        sources = self._pipeline.to_outputs(dataset_name).inputs()
        with self._writing:
            files = ResultFiles(self._data)
            started_from = [files.made_with(self._results[name]) for name in sorted(sources & self._results.keys())]
            earlier = {block: value for made in started_from if made for block, value in made.parameters.items()}
            taken = {name.removeprefix("params:").split(".")[0] for name in sources if name.startswith("params:")}
            own = {block: self._parameters[block] for block in sorted(taken - {"compute"})}
            files.write_down(self._results[dataset_name], self._command, {**earlier, **own})


class TerminalHooks:
    """Lines on the terminal: each finished node, and at the end the results."""

    def __init__(self) -> None:
        self._nodes, self._finished, self._started = 0, 0, 0.0
        self._running = ""
        self._reports = ""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remember where figures go."""
        self._reports = f"{context.config_loader['globals']['data']}/08_reporting"

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline) -> None:
        """Count the nodes."""
        self._nodes, self._finished, self._running = len(pipeline.nodes), 0, ""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Say that the node before is finished, its results saved, and start the clock for this one."""
        self._show_finished()
        self._running, self._started = node.name, time.monotonic()

    def _show_finished(self) -> None:
        if self._running:
            self._finished += 1
            width = len(str(self._nodes))
            seconds = time.monotonic() - self._started
            terminal.show(f"[{self._finished:{width}}/{self._nodes}] {self._running}  {seconds:.1f} s")

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Name the first picture as soon as there is one, and say which policies hold before one of them fails."""
        if dataset_name == "people_figure":
            terminal.show(f"A first look at the faces: {self._reports}/people.png")
        if dataset_name == "gate":
            terminal.show_gate(data)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Show the tables of results that this run has made, and the next step."""
        from faceleak.reporting.results import read_variants

        self._show_finished()
        made = pipeline.all_outputs()
        if "splits" in made:
            terminal.show_faces(catalog.load("splits"), catalog.load("faces_validation"))
        if results := results_of(pipeline, catalog):
            terminal.show_results(results)
        if {"preprocessing_check", "utility_metrics"} <= made and "membership_metrics" not in made:
            from faceleak.auditing.target import judge

            utility = catalog.load("utility_metrics")[UNDEFENDED]["utility"]
            fed, inventory = catalog.load("preprocessing_check"), catalog.load("inventory")
            what = "Faces and backbone are" if "splits" in made else "The backbone's measures are"
            terminal.show_readiness(what, utility, judge(utility, inventory, fed))
        if "defense.results" in made:
            variants = read_variants(catalog.load("defense.results"))
            points, recommendation = (
                catalog.load("defense.privacy_utility_points"),
                catalog.load("defense.recommendation"),
            )
            terminal.show_defenses(points, variants, recommendation)
        if "audit_page" in made:
            terminal.show(f"The report: {self._reports}/audit.html")
        if "plan" in made:
            terminal.show_plan(catalog.load("plan"))
        for name in sorted(made & TUNING):
            terminal.show_tuning(catalog.load(name))
        if made & set(TARGETED):
            terminal.show_targeted(*(catalog.load(name) if name in made else None for name in TARGETED))
        if ERASURE in made:
            terminal.show_erasure(catalog.load(ERASURE))
        if made & {ERASURE, "results", "defense.results", *TUNING, *TARGETED}:
            terminal.show(f"Figures: {self._reports}/*.png    Compare runs in MLflow: make ui")
