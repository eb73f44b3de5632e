"""Attack models beside the logistic one: one file a model, each fitted on a signal's numbers."""
