"""The cost of an audit: its tasks, the time of each on this machine, and the sums."""
