"""All pipelines: each is a package under `pipelines/`."""

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Find the pipelines that were asked for; a plain `kedro run` is the whole audit."""
    pipelines: dict[str, Pipeline] = find_pipelines(raise_errors=True)
    if "__default__" in pipelines:  # so they are all there
        pipelines["__default__"] = pipelines["audit"]
    return pipelines
