"""A run that counts, interrupted, damaged and gone on with; what is trained with it has tests of its own."""

from typing import Any

import pytest
import torch

from faceleak.work.checkpointed import CHECKPOINT, Resumable


class Counting(Resumable):
    """Adds the number of each step and a draw, and stops before the step `stop`."""

    def __init__(self, stop: int | None = None) -> None:
        self.total, self.random, self.stop = torch.zeros(1), torch.Generator().manual_seed(0), stop
        self.taken: list[int] = []

    def step(self) -> None:
        if self.done == self.stop:
            raise KeyboardInterrupt
        self.taken.append(self.done)
        self.total += self.done + torch.rand(1, generator=self.random)

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total, "random": self.random.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total.copy_(state["total"])
        self.random.set_state(state["random"])


def undisturbed() -> float:
    run = Counting()
    for run.done in range(5):
        run.step()
    return float(run.total)


@pytest.mark.parametrize(("every", "left"), [(1, [3, 4]), (2, [2, 3, 4]), (4, [0, 1, 2, 3, 4])])
def test_what_was_interrupted_goes_on_at_its_last_checkpoint_to_the_same_result(every, left, tmp_path):
    path = tmp_path / CHECKPOINT
    with pytest.raises(KeyboardInterrupt):
        Counting(stop=3).train_until(5, path, every=every)
    run = Counting()
    run.restore(path, 5)
    run.train_until(5, path)
    assert (run.taken, run.done, float(run.total)) == (left, 5, undisturbed())
    assert [file.name for file in tmp_path.iterdir()] == [CHECKPOINT]


def damaged(content: Any) -> dict[str, Any]:
    return {
        "text": b"no checkpoint",
        "truncated": None,
        "of another training": {"done": 3, "state": {"weights": torch.ones(3)}},
        "half of another training": {"done": 3, "state": {"total": torch.ones(1)}},
        "beyond what is asked for": content | {"done": 6},
    }


@pytest.mark.parametrize("damage", damaged({}))
def test_a_checkpoint_that_is_of_no_use_is_left_aside(damage, tmp_path):
    path = tmp_path / CHECKPOINT
    Counting().train_until(3, path)
    content = damaged(torch.load(path))[damage]
    if isinstance(content, dict):
        torch.save(content, path)
    else:
        path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    run = Counting()
    run.restore(path, 5)
    run.train_until(5, path)
    assert (run.taken, float(run.total)) == ([0, 1, 2, 3, 4], undisturbed())


def test_a_checkpoint_is_read_without_running_code(tmp_path, capsys):
    class Code:
        def __reduce__(self):
            return print, ("code ran",)

    path = tmp_path / CHECKPOINT
    torch.save({"done": 1, "state": Code()}, path)
    run = Counting()
    run.restore(path, 5)
    assert (run.done, capsys.readouterr().out) == (0, "")


def test_who_does_not_write_leaves_nothing(tmp_path):
    run = Counting()
    run.train_until(5, tmp_path / CHECKPOINT, writes=False)
    assert (run.done, list(tmp_path.iterdir())) == (5, [])
