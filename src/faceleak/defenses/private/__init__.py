"""Training under differential privacy: units, Poisson sampling, clipping, noise, accounting, and when to refuse."""
