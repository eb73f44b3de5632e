"""What knows Kedro or MLflow, beside the pipelines: configuration, hooks, datasets, tracking, the terminal."""
