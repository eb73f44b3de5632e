"""Membership inference: knowledge of the attacker, reference backbones, attack models."""
