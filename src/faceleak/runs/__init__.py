"""All that knows Kedro or MLflow, except pipelines: configuration, hooks, datasets, tracking, the terminal."""
