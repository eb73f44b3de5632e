"""All pipelines, a package each."""
