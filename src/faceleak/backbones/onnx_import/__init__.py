"""Embedding networks from ONNX files, as plain torch modules whose BN layers can be read."""
