"""Speed as numbers with thresholds: `make bench`. Ratios are taken in one run, pair by pair, and medians quoted."""
