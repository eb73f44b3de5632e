"""Erasures as cached tasks: what their names depend on, and what their cards say."""

from dataclasses import replace

import pytest

from faceleak.erasure import tasks
from faceleak.erasure.options import MethodOptions
from faceleak.erasure.request import Request
from faceleak.erasure.tasks import ErasureTask, Run, cpu_seconds, erasure_tasks, make_erasures

REMOVAL = MethodOptions(method="head_removal")
TUNED = MethodOptions(method="finetuning", epochs=1)


@pytest.fixture
def fresh(request_, tmp_path) -> Request:
    """The request, with a cache of this test alone."""
    owner = request_.owner
    return replace(request_, owner=replace(owner, compute=owner.compute.model_copy(update={"cache": tmp_path})))


def test_every_draw_is_erased_by_every_method_with_each_of_its_seeds(fresh):
    several = MethodOptions(method="finetuning", name="twice", seeds=2)
    made = erasure_tasks([fresh, replace(fresh, erased=frozenset())], [REMOVAL, several])
    assert list(made) == [
        *(Run(0, "head_removal", 0), Run(1, "head_removal", 0)),
        *(Run(0, "twice", 0), Run(0, "twice", 1), Run(1, "twice", 0), Run(1, "twice", 1)),
    ]
    assert len({task.folder for task in made.values()}) == 6


def test_only_what_is_new_is_made_and_its_card_tells_the_time(fresh, monkeypatch):
    first = make_erasures(erasure_tasks([fresh], [TUNED]), fresh.owner.compute)
    made = []
    monkeypatch.setattr(tasks, "make_erasure", lambda task, make=tasks.make_erasure: (made.append(task), make(task)))
    both = make_erasures(erasure_tasks([fresh], [TUNED, REMOVAL]), fresh.owner.compute)
    assert [task.options.method for task in made] == ["head_removal"]
    run = Run(0, "finetuning", 0)
    assert both[run].weights_hash() == first[run].weights_hash()
    assert cpu_seconds(both[run]) == cpu_seconds(first[run]) > 0
    told = both[run].card.training["erasure"]
    assert (told["method"], told["people"]) == ("finetuning", 2)


def test_the_name_of_a_task_depends_on_all_that_it_is_made_of(fresh, edited):
    folder = ErasureTask(fresh, TUNED, 0).folder
    assert ErasureTask(fresh, TUNED.model_copy(update={"name": "mine"}), 0).folder == folder
    others = [
        ErasureTask(fresh, TUNED, 1),
        ErasureTask(fresh, MethodOptions(method="finetuning", epochs=2), 0),
        ErasureTask(replace(fresh, erased=frozenset(list(fresh.erased)[:1])), TUNED, 0),
        ErasureTask(replace(fresh, images=fresh.images.iloc[1:]), TUNED, 0),
    ]
    assert len({folder, *(task.folder for task in others)}) == 5
    edited("faceleak.erasure.steps")
    assert ErasureTask(fresh, TUNED, 0).folder != folder


def test_a_file_that_a_setting_names_is_part_of_the_name(fresh, tmp_path):
    file = tmp_path / "weights.pt"
    backbone = {"architecture": "iresnet_tiny", "embedding_size": 16, "weights": str(file)}
    given = MethodOptions(method="given", backbone=backbone)
    file.write_bytes(b"one")
    folder = ErasureTask(fresh, given, 0).folder
    file.write_bytes(b"two")
    assert ErasureTask(fresh, given, 0).folder != folder


def test_no_code_runs_in_an_erasure_that_is_not_in_the_key(fresh, not_in_keys):
    methods = [MethodOptions(method="noisy_finetuning", epochs=1), MethodOptions(method="center_push", epochs=1)]
    not_kept = {
        "faceleak.erasure.tasks",
        "faceleak.erasure.options",
        "faceleak.common.trees",
        "faceleak.defenses.tasks",
    }
    run = not_in_keys(lambda: make_erasures(erasure_tasks([fresh], methods), fresh.owner.compute))
    assert run - not_kept == set()
