import io
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from rich.console import Console

from faceleak.work import compute, progress
from faceleak.work.compute import (
    ComputeOptions,
    DeviceError,
    WorkerError,
    available_cores,
    gpus,
    pick_device,
    run_tasks,
    seeded,
    single_threaded,
    training_dtype,
    worker_count,
)

TWO = ComputeOptions(device="cpu", workers=2)


LONG = 3600  # seconds

COUNT = "sum(__import__('faceleak.work.progress', fromlist=['track']).track(range({n}), 'Counting', {n}))"


THREADS = "__import__('os').environ.get('OMP_NUM_THREADS')"


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks_and_progress_is_shown(workers, monkeypatch):
    shown = io.StringIO()
    monkeypatch.setattr(progress, "_console", Console(file=shown, force_terminal=True, width=120))
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    tasks = [*(COUNT.format(n=n) for n in (3000, 3, 4, 5)), THREADS]  # the first one takes longest
    results = run_tasks(eval, tasks, TWO.model_copy(update={"workers": workers}))
    assert results == [4_498_500, 3, 6, 10, "7" if workers == 1 else str(max(1, available_cores() // 2))]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert ("3000/3000" if workers == 1 else "3012/3012") in shown.getvalue()


def test_no_tasks_give_no_results():
    assert run_tasks(sum, [], TWO) == []


def test_an_error_in_a_worker_comes_through_and_ends_the_others_at_once():
    start = time.monotonic()
    with pytest.raises(TypeError, match="str"):
        run_tasks(time.sleep, [LONG, "not a number", LONG], TWO)
    assert time.monotonic() - start < LONG  # nobody waited for the others, on however busy a machine
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_worker_is_an_error_and_not_a_hang():
    with pytest.raises(WorkerError, match=r"died.*memory.*compute\.workers"):
        run_tasks(signal.raise_signal, [signal.SIGKILL, signal.SIGKILL], TWO)
    assert multiprocessing.active_children() == []


ENDLESS = """
import pathlib, sys
from faceleak.work.compute import ComputeOptions, run_tasks
task = "import os, pathlib, time; pathlib.Path(f'{folder}/{os.getpid()}').touch(); time.sleep(3600)"
run_tasks(exec, [task.replace("{folder}", sys.argv[1])] * 2, ComputeOptions(device="cpu", workers=2))
"""


def started(folder: Path) -> list[int]:
    return [int(file.name) for file in folder.iterdir()]


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 600) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_die_with_their_parent(tmp_path):
    with subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path)]) as parent:
        assert wait_until(lambda: len(started(tmp_path)) == 2)
        assert all(is_alive(worker) for worker in started(tmp_path))
        parent.kill()
        assert wait_until(lambda: not any(is_alive(worker) for worker in started(tmp_path)))


@pytest.mark.parametrize(
    ("asked", "found", "expected"),
    [("auto", 0, "cpu"), ("auto", 1, "cuda"), ("cpu", 1, "cpu"), ("cuda", 1, "cuda"), ("cuda:1", 2, "cuda:1")],
)
def test_the_device_is_the_one_asked_for_or_the_best_there_is(asked, found, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    assert pick_device(ComputeOptions(device=asked)) == torch.device(expected)


@pytest.mark.parametrize(("asked", "found"), [("cuda", 0), ("cuda:0", 0), ("cuda:2", 2)])
def test_a_device_that_is_missing_is_an_error(asked, found, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: found)
    with pytest.raises(DeviceError, match=f"'{asked}', but torch .* finds {found} CUDA devices.*`auto` or `cpu`"):
        pick_device(ComputeOptions(device=asked))


@pytest.mark.parametrize(
    "wrong",
    [
        {"device": "gpu"},
        {"batch_size": 0},
        {"precision": "float16"},
        {"worker": 2},
        {"workers": 0},
        {"threads": 0},
        {"engine": "dask"},
        {"address": "127.0.0.1:6379"},  # of what? the engine is local
        {"engine": "ray", "address": "ray://127.0.0.1:10001"},
        {"engine": "ray", "devices": [0]},
        {"device": "cpu", "devices": [0]},
        {"devices": []},
        {"gpu_share": 0},
        {"retries": -1},
    ],
)
def test_options_that_mean_nothing_are_refused(wrong):
    with pytest.raises(ValidationError):
        ComputeOptions(**wrong)


def test_ray_where_it_is_not_installed_stops_before_any_work(monkeypatch):
    monkeypatch.setattr(compute, "find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'faceleak\[ray\]'"):
        ComputeOptions(engine="ray")


SEEN_GPU = "__import__('time').sleep(1) or __import__('os').environ['CUDA_VISIBLE_DEVICES']"


@pytest.mark.parametrize(
    ("options", "visible", "expected"),
    [
        pytest.param({}, None, {"0", "1"}, marks=pytest.mark.slow),
        ({}, "5,7", {"5", "7"}),
        pytest.param({"devices": [1], "workers": 2}, None, {"1"}, marks=pytest.mark.slow),
    ],
)
def test_local_workers_see_one_gpu_each(options, visible, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    if visible:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    else:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    seen = run_tasks(eval, [SEEN_GPU] * 6, ComputeOptions(**options))
    assert set(seen) == expected


def test_the_gpus_are_the_ones_that_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert gpus(ComputeOptions()) == [0, 1, 2, 3]
    assert gpus(ComputeOptions(devices=[3, 1])) == [3, 1]
    assert gpus(ComputeOptions(device="cuda:2")) == [2]
    assert gpus(ComputeOptions(device="cpu")) == []
    assert pick_device(ComputeOptions(devices=[3, 1])) == torch.device("cuda:3")
    with pytest.raises(DeviceError, match=r"\[5\].*\[0, 1, 2, 3\]"):
        gpus(ComputeOptions(devices=[1, 5]))


def test_tasks_have_the_threads_that_are_asked_for():
    assert run_tasks(eval, [THREADS] * 2, TWO.model_copy(update={"threads": 3})) == ["3", "3"]


def test_tasks_of_a_task_run_where_it_runs():
    compute = "__import__('faceleak.work.compute').work.compute"
    mine = "__import__('os').getpid()"
    nested = f'{compute}.run_tasks(eval, ["{mine}"] * 2, {compute}.ComputeOptions(workers=2)) == [{mine}] * 2'
    assert run_tasks(eval, [nested] * 2, TWO) == [True, True]


def test_workers_are_as_many_as_asked_for_but_no_more_than_tasks(monkeypatch):
    assert worker_count(ComputeOptions(device="cpu", workers=3), tasks=8) == 3
    assert worker_count(ComputeOptions(device="cpu", workers=3), tasks=2) == 2
    assert worker_count(ComputeOptions(device="cpu", workers=3), tasks=0) == 1
    assert worker_count(ComputeOptions(device="cpu"), tasks=1000) == available_cores()
    assert worker_count(ComputeOptions(device="cpu"), tasks=1000, processes=2) == max(1, available_cores() // 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for found in (1, 4):
        monkeypatch.setattr(torch.cuda, "device_count", lambda found=found: found)
        assert worker_count(ComputeOptions(), tasks=1000) == found


def test_precision_follows_the_option_and_otherwise_the_hardware(monkeypatch):
    cpu = torch.device("cpu")
    assert training_dtype(ComputeOptions(precision="bfloat16"), cpu) == torch.bfloat16
    assert training_dtype(ComputeOptions(precision="float32"), cpu) == torch.float32
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    for native, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda native=native: native)
        assert training_dtype(ComputeOptions(), cpu) == expected


def test_a_seeded_block_repeats_itself_and_leaves_the_global_generator():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    with seeded(7):
        first = torch.rand(3)
    with seeded(7):
        assert torch.equal(torch.rand(3), first)
    with seeded(8):
        assert not torch.equal(torch.rand(3), first)
    assert torch.equal(torch.rand(3), expected)


def test_a_single_threaded_block_gives_the_threads_back_even_after_an_error():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with single_threaded():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError), single_threaded():
            raise RuntimeError
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
