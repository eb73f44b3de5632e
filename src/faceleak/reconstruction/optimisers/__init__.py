"""How latents climb: one file an optimiser, `climb(prior, objective, latents, options, …)` → latents, means a step."""
