"""Where and how work runs: device and precision, engines, tasks kept under a key, locks, progress."""
