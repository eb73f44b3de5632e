"""Where independent pieces of work run: one file an engine. `faceleak.work.compute` is the door to them."""
