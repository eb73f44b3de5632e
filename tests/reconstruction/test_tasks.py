from dataclasses import replace
from pathlib import Path

import pytest

from faceleak.reconstruction.optimizers import adam
from faceleak.reconstruction.options import SearchOptions
from faceleak.reconstruction.prior_training.networks import FaceGenerator
from faceleak.reconstruction.prior_training.trained import PriorCard, TrainedPrior, save_trained_prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.tasks import ByStep, ReconstructionTask, reconstruct_all, reconstruct_task
from faceleak.work.compute import ComputeOptions


@pytest.fixture
def make_task(tiny_scorer, search_options: SearchOptions, compute: ComputeOptions, tmp_path: Path):
    def make(prior: object) -> ReconstructionTask:
        options = search_options.model_copy(update={"steps": 1})
        own = compute.model_copy(update={"cache": tmp_path})
        given = PriorOptions.model_validate(prior)
        return ReconstructionTask(tiny_scorer, given, options, own)

    return make


def test_a_task_is_named_by_its_prior(make_task, converted: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    content = bytearray(converted.read_bytes())
    content[-1] ^= 1
    other.write_bytes(content)
    drawn = TrainedPrior(FaceGenerator(64, 8, 2), PriorCard(image_size=64, latent_size=8, width=2))
    for name in ("trained", "trained_further"):
        save_trained_prior(drawn, tmp_path / name)
        drawn.generator.to_rgb.bias += 1
    priors = [
        "demo",
        {"trained": str(tmp_path / "trained")},
        {"trained": str(tmp_path / "trained_further")},
        {"demo": True, "crop": "ffhq_to_arcface"},
        {"stylegan2": {"weights": str(converted)}},
        {"stylegan2": {"weights": str(converted), "latent_space": "w_plus"}},
        {"stylegan2": {"weights": str(other)}},
    ]
    paths = [make_task(prior).path for prior in priors]
    assert len(set(paths)) == len(paths)
    assert paths == [make_task(prior).path for prior in priors]


def test_a_stylegan2_is_searched_and_remembered(make_task, converted: Path) -> None:
    task = make_task({"stylegan2": {"weights": str(converted), "latent_space": "w"}, "image_size": 32})
    found = reconstruct_all({"plain": task}, task, task.compute)["plain"]
    assert found["optimized"]["pixels"].shape == (3, 32, 32, 3)
    assert found["optimized"]["latents"].shape == (3, 9)
    without = found["untrained_guided"]["pixels"]  # the same task plays the one that learnt nothing
    assert (without == found["optimized"]["pixels"]).all()
    assert reconstruct_all({}, task, task.compute) == {}
    written = task.path.stat().st_mtime_ns
    again = reconstruct_all({"plain": task}, task, task.compute)["plain"]
    assert {step: set(arrays) for step, arrays in again.items()} == {
        step: set(arrays) for step, arrays in found.items()
    }
    assert task.path.stat().st_mtime_ns == written


def _bytes(found: ByStep) -> dict[tuple[str, str], bytes]:
    return {(step, part): array.tobytes() for step, arrays in found.items() for part, array in arrays.items()}


class KilledError(Exception):
    pass


def test_a_killed_search_goes_on_after_its_last_round_and_ends_as_if_nothing_had_been(
    make_task, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = make_task("demo")
    whole = reconstruct_task(task)
    assert not task.path.with_suffix(".rounds").exists()
    task.path.unlink()
    maximize, maximized = adam.maximize, []

    def killed_in_the_second_round(*arguments: object) -> object:
        maximized.append(arguments)
        if len(maximized) == 2:
            raise KilledError
        return maximize(*arguments)

    monkeypatch.setattr(adam, "maximize", killed_in_the_second_round)
    with pytest.raises(KilledError):
        reconstruct_task(task)
    assert [path.name for path in task.path.with_suffix(".rounds").iterdir()] == ["round_0.safetensors"]
    again = reconstruct_task(task)
    assert len(maximized) == 3  # the first round was not maximized again
    assert _bytes(again) == _bytes(whole)
    assert not task.path.with_suffix(".rounds").exists()


@pytest.mark.parametrize(
    "module",
    [
        *("search", "objectives.membership", "optimizers.adam", "priors.generators", "latents", "scorer"),
        *(f"../{name}" for name in ("signals.bn_distance", "membership.models.logistic", "backbones.iresnet")),
    ],
)
def test_a_search_is_made_anew_once_its_code_has_changed(module: str, make_task, edited) -> None:
    before = make_task("demo").path
    edited(f"faceleak.reconstruction.{module}".replace("reconstruction.../", ""))
    assert make_task("demo").path != before


def test_a_search_of_another_network_with_the_same_weights_is_another(make_task, tiny_backbone) -> None:
    before = make_task("demo").path
    tiny_backbone.net.bn1.eps = 2e-5
    assert make_task("demo").path != before


@pytest.mark.parametrize("optimizer", ["adam", "cma_es"])
def test_no_code_runs_in_a_search_that_is_not_in_the_key(optimizer: str, make_task, not_in_keys) -> None:
    task = make_task("demo")
    task = replace(task, search=task.search.model_copy(update={"optimizer": optimizer}))
    assert not_in_keys(lambda: reconstruct_task(task)) == set()
