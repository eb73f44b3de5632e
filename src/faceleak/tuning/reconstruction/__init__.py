"""Tuning of stage 2: which search finds most members of a target of the attacker's own, and at how many steps."""
