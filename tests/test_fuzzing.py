"""A few damaged files of every kind that comes from outside; `python -m benchmarks.fuzzing` tries thousands."""

import pytest

from benchmarks.fuzzing import MEGABYTES, READERS, fuzz

pytestmark = pytest.mark.filterwarnings("ignore")  # of readers of damaged files


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused_in_little_time_and_memory(name, tmp_path):
    assert fuzz(READERS[name], 40, tmp_path) < MEGABYTES
