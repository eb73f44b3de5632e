"""Drawing faces out of a backbone: priors, search, optimization."""
