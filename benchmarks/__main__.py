"""Run all benchmarks; exit 1 where a threshold is missed."""

import sys

from benchmarks import agreement, fitting, packing, private_training, signal_reading, startup, stylegan2

if __name__ == "__main__":
    results = [
        benchmark.run()
        for benchmark in (signal_reading, agreement, fitting, packing, startup, private_training, stylegan2)
    ]
    sys.exit(0 if all(results) else 1)
