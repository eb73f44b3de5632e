"""Where independent tasks run: one file an engine. `faceleak.work.compute` is the door to them."""
