"""Where and how work runs: device and precision, engines, pieces kept under a key, locks, progress."""
