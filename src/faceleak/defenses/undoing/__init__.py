"""What an adaptive attacker does to a defended backbone before the attack: one file an undoing."""
