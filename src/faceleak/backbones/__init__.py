"""Embedding networks: architectures, loading and saving, training, inspection."""
