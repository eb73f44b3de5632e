"""Tuning: which attack is best on the attacker's own data, and what that is worth on people it never saw."""
