"""Run all benchmarks; exit 1 where a threshold is missed."""

import sys

from benchmarks import agreement, embedding, fitting, packing, private_training, signal_reading, startup, stylegan2

if __name__ == "__main__":
    benchmarks = (signal_reading, agreement, fitting, packing, embedding, startup, private_training, stylegan2)
    results = [benchmark.run() for benchmark in benchmarks]
    sys.exit(0 if all(results) else 1)
