"""Kedro pipelines: thin wiring around the rooms."""
