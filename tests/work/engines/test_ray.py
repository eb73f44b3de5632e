import signal
import time
from pathlib import Path

import pytest
import ray

from faceleak.backbones.loading import load_backbone
from faceleak.backbones.training import TrainingTask, train
from faceleak.backbones.training_options import TrainingOptions
from faceleak.work.compute import ComputeOptions, WorkerError, run_tasks
from faceleak.work.engines.ray import ClusterError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory):
    """A cluster on this machine, which ends with the tests of this file."""
    cache = tmp_path_factory.mktemp("cache")
    yield ComputeOptions(engine="ray", device="cpu", precision="float32", workers=2, batch_size=16, cache=cache)
    ray.shutdown()


SLOW = "__import__('time').sleep(1) or 'slow'"
THREADS = "__import__('torch').get_num_threads()"
FOLDER = "__import__('os').getcwd()"


def test_results_come_in_order_from_the_folder_of_the_run_with_the_threads_that_are_asked_for(on_ray):
    expected = ["slow", 2, 1, str(Path.cwd())]
    assert run_tasks(eval, [SLOW, "1 + 1", THREADS, FOLDER], on_ray) == expected


def test_an_error_of_a_task_is_raised_as_it_is_and_ends_the_others_at_once(on_ray):
    start = time.monotonic()
    with pytest.raises(TypeError, match="str") as caught:
        run_tasks(time.sleep, [3600, "not a number", 3600], on_ray)
    assert type(caught.value) is TypeError
    assert time.monotonic() - start < 3600  # nobody waited for the others, on however busy a machine
    assert run_tasks(eval, ["1", "2"], on_ray) == [1, 2]  # the cores are free again


DIES_ONCE = """
import os, pathlib, signal
tries = pathlib.Path({folder!r})
(tries / str(os.getpid())).touch()
if len(list(tries.iterdir())) == 1:
    signal.raise_signal(signal.SIGKILL)
"""


def test_a_task_whose_process_is_killed_runs_again_and_at_last_is_an_error(on_ray, tmp_path):
    run_tasks(exec, [DIES_ONCE.format(folder=str(tmp_path))], on_ray)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(WorkerError, match=r"WorkerCrashedError.*compute\.retries"):
        run_tasks(signal.raise_signal, [signal.SIGKILL], on_ray.model_copy(update={"retries": 0}))


def test_nodes_that_lack_the_cache_or_the_cores_are_an_error_and_not_a_hang(on_ray, tmp_path):
    hidden = on_ray.model_copy(update={"cache": tmp_path / "cache", "workers": 1})
    hide = f"__import__('pathlib').Path({str(hidden.cache / '.cluster.json')!r}).unlink()"
    with pytest.raises(ClusterError, match=r"does not see the cache.*share it"):
        run_tasks(eval, [hide, "1"], hidden)
    with pytest.raises(ClusterError, match=r"takes 1000 cores.*compute\.threads"):
        run_tasks(eval, ["1"], on_ray.model_copy(update={"threads": 1000}))


def test_what_is_trained_on_ray_is_the_same_to_the_bit(on_ray, demo_store, demo_splits, tmp_path):
    options = TrainingOptions(architecture="iresnet_tiny", image_size=32, embedding_size=16, epochs=1, batch_size=16)
    images = demo_splits[demo_splits["role"] != "auxiliary"]
    local = ComputeOptions(device="cpu", precision="float32", workers=2, threads=1, cache=on_ray.cache)
    hashes = []
    for engine, compute in (("ray", on_ray), ("local", local)):
        tasks = [
            TrainingTask(
                f"{engine} {seed}",
                demo_store,
                images,
                options.model_copy(update={"seed": seed}),
                compute,
                tmp_path / engine,
            )
            for seed in range(2)
        ]
        run_tasks(train, tasks, compute)
        hashes.append([load_backbone(task.folder).weights_hash() for task in tasks])
    assert hashes[0] == hashes[1]
