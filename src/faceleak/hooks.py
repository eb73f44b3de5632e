"""What faceleak adds to every Kedro run: configuration checked as a whole, honest tracking in MLflow."""

from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro_mlflow.framework.hooks import MlflowHook
from pydantic import BaseModel

from faceleak.compute import keep_freed_memory
from faceleak.configuration import check_parameters
from faceleak.datasets.metrics import flatten


class ValidationHooks:
    """Check all parameters before anything else happens, whichever pipeline runs."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Raise ConfigurationError naming each wrong key, its value and what is allowed."""
        check_parameters(context.config_loader["parameters"])
        keep_freed_memory()


class TrackingHooks(MlflowHook):
    """kedro-mlflow's tracking, with flat parameters, provenance tags, and runs that never stay RUNNING."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Close runs of processes that are gone, start this one, tag it with where its numbers come from."""
        from faceleak import tracking

        tracking.close_orphans(self.mlflow_config.tracking.experiment._experiment.experiment_id)
        super().before_pipeline_run(run_params, pipeline, catalog)
        tracking.tag_origin(run_params)

    @hook_impl
    def after_node_run(self, outputs: dict[str, Any]) -> None:
        """Tag the run with hashes of data and target once they are known."""
        from faceleak import tracking

        tracking.tag_hashes(outputs)

    def _log_param(self, name: str, value: Any) -> None:
        if isinstance(value, BaseModel):
            for key, leaf in flatten(value.model_dump(mode="json"), ".").items():
                super()._log_param(f"{name}.{key}", leaf)
        else:
            super()._log_param(name, value)
