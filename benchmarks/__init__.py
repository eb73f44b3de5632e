"""Speed as numbers with thresholds: `make bench`. Ratios are taken in one run, pair by pair, and medians quoted."""

from faceleak.work.compute import share_cores

share_cores()  # before any of them imports torch, as every run does
