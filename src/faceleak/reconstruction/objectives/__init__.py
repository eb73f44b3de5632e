"""What the search climbs: one file a term, `value(sample, guide)` → (n,), higher is better."""
