"""Kedro datasets that are missing elsewhere."""
