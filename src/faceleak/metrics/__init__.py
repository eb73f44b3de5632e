"""Metrics: tables of scores and embeddings in, numbers with intervals out. Nothing here knows a model."""
