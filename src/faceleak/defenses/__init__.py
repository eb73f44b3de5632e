"""Defences and what an adaptive attacker undoes of them: one file a defence."""
