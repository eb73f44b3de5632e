"""Where independent pieces of work run: one file an engine. `faceleak.compute` is the door to them."""
