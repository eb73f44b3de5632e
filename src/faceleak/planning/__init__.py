"""What an audit will cost: its tasks, how long each takes on this machine, and what they add up to."""
