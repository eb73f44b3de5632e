"""Project settings of Kedro."""

import gc
import os
from pathlib import Path
from typing import Any

from kedro.config import OmegaConfigLoader

gc.disable()  # the hooks import MLflow: some 100,000 objects that stay, through which the collector would go many times

from faceleak.runs.hooks import LockHooks, OrderHooks, OriginHooks, TerminalHooks, TrackingHooks, ValidationHooks  # noqa: E402

gc.freeze()
gc.enable()


def tracking_uri() -> str:
    """Where MLflow keeps runs: `MLFLOW_TRACKING_URI` if it is set, else a database in the project's folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{Path.cwd() / 'mlflow.db'}"


def external_data() -> str:
    """Where faces and backbones from elsewhere lie: `FACELEAK_EXTERNAL` if it is set, else `data/external`."""
    return os.environ.get("FACELEAK_EXTERNAL") or "data/external"


DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)  # TrackingHooks are kedro-mlflow's own, extended
HOOKS = (ValidationHooks(), OrderHooks(), LockHooks(), TrackingHooks(), OriginHooks(), TerminalHooks())
CONFIG_LOADER_CLASS = OmegaConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft"},
    "custom_resolvers": {"tracking_uri": tracking_uri, "external_data": external_data},
}
