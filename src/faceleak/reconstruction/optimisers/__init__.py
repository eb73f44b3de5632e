"""How latents climb: one file an optimiser, `climb(prior, objective, latents, options, generator, dtype)` → latents."""
