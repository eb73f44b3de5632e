"""What an audit will cost: its pieces of work, how long each takes on this machine, and what they add up to."""
