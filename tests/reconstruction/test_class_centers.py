from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from faceleak.reconstruction.beside import beside, draw
from faceleak.reconstruction.class_centers import ClassCenters, find_directions
from faceleak.reconstruction.drawing import draw_faces, pixels_of
from faceleak.reconstruction.options import ClassCentersOptions
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.template_inversion import embed_latents
from faceleak.work.compute import ComputeOptions

CPU = torch.device("cpu")
DEMO = PriorOptions.model_validate("demo")


@pytest.fixture
def own(compute: ComputeOptions, tmp_path: Path) -> ComputeOptions:
    return compute.model_copy(update={"cache": tmp_path})


@pytest.fixture
def centers(tiny_scorer, own):
    def make(by_gradients: bool = True, **options: object) -> ClassCenters:
        asked = ClassCentersOptions.model_validate(
            {"candidates": 60, "directions": 6, "people": 4, "steps": 3} | options
        )
        return ClassCenters(tiny_scorer, DEMO, asked, by_gradients, own)

    return make


def test_planted_centers_are_found_most_skewed_first_and_all_face_the_way_they_reach_far() -> None:
    generator = torch.Generator().manual_seed(0)
    planted = torch.linalg.qr(torch.randn(24, 12, generator=generator)).Q.T
    resembled = torch.empty(6000, 12).exponential_(generator=generator)  # a little of many people, much of few
    embeddings = 7 * (resembled @ planted + 0.05 * torch.randn(6000, 24, generator=generator))
    found = find_directions(embeddings, 12, seed=1)
    cosines = found @ planted.T
    assert torch.allclose(found.norm(dim=1), torch.ones(12))
    assert (cosines.amax(dim=0) > 0.85).sum() >= 11  # scaling to length 1 takes one degree of freedom away
    projected = functional.normalize(embeddings, dim=1) @ found.T
    deviations = (projected - projected.mean(0)) / projected.std(0)
    assert (deviations.pow(3).mean(0) > 0).all()
    assert torch.equal(find_directions(embeddings, 12, seed=1), found)
    assert len(find_directions(embeddings, 5, seed=1)) <= 5


def test_one_step_of_the_fixed_point_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    from faceleak.reconstruction import class_centers

    monkeypatch.setattr(class_centers, "ITERATIONS", 1)
    monkeypatch.setattr(class_centers, "_at_right_angles", lambda rows: rows / rows.norm(dim=1, keepdim=True))
    white = torch.tensor([[-1.0], [-1.0], [2.0]], dtype=torch.float64)
    rows, skewness = class_centers._components(white, torch.Generator().manual_seed(0))
    # E[max(y, 0)² x] − 2 E[max(y, 0)] w is (0 + 0 + 8)/3 − 2·2/3 = 4/3 for w = 1, and for w = −1 it is −2/3 + 4/3 = 2/3
    assert rows.tolist() == [[1.0]]
    assert skewness.tolist() == [2.0]  # (−1 − 1 + 8)/3


def test_of_normal_numbers_only_the_most_skewed_direction_is_kept() -> None:
    numbers = torch.randn(3000, 12, generator=torch.Generator().manual_seed(2))
    assert len(find_directions(numbers, 12, seed=0)) == 1


def test_numbers_that_do_not_vary_give_no_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.cat([torch.empty(500, 3).exponential_(generator=generator), torch.zeros(500, 5)], dim=1)
    assert len(find_directions(numbers, 8, seed=0)) <= 3


def test_faces_are_drawn_nearest_to_their_directions_first_and_climbing_brings_them_nearer(centers) -> None:
    prior, near = load_prior(DEMO, CPU), {"objective": {"membership": 0.001}, "people": 6, "variation": 0.0}

    def cosines(steps: int) -> torch.Tensor:
        task = centers(steps=steps, **near)
        latents, drawn = task.latents(prior, CPU, torch.float32), prior.space.draw(60, torch.Generator().manual_seed(0))
        embedded, shown = (embed_latents(prior, task.scorer.backbone, of, 64) for of in (drawn, latents))
        return (functional.normalize(shown, dim=1) @ find_directions(embedded, 6, 0).T).amax(dim=1)

    assert cosines(20).mean() > cosines(0).mean()
    assert len(centers(people=1).latents(prior, CPU, torch.float32)) == 1


def test_without_gradients_the_linear_map_draws_alone(centers) -> None:
    prior = load_prior(DEMO, CPU)
    linear = centers(by_gradients=False).latents(prior, CPU, torch.float32)
    assert torch.equal(linear, centers(steps=0).latents(prior, CPU, torch.float32))
    assert not torch.equal(linear, centers().latents(prior, CPU, torch.float32))


def test_they_are_named_by_network_options_and_whether_gradients_are_taken(centers, tiny_backbone) -> None:
    paths = [centers().path, centers(steps=4).path, centers(by_gradients=False).path, centers(seed=1).path]
    tiny_backbone.net.bn1.eps = 2e-5
    paths.append(centers().path)
    assert len(set(paths)) == 5


def test_nobody_is_meant_and_the_same_faces_are_found_again(centers, tiny_scorer) -> None:
    found = beside(centers(), tiny_scorer)
    assert set(found) == {"latents", "pixels", "scores"}
    again = centers().latents(load_prior(DEMO, CPU), CPU, torch.float32)
    assert np.array_equal(found["latents"], again.numpy())


def test_no_code_runs_that_is_not_in_the_key(centers, not_in_keys) -> None:
    assert not_in_keys(lambda: draw(centers())) == set()


def test_an_untrained_network_has_no_centers_of_anybody(centers) -> None:
    from faceleak.metrics.identity_match import measure_match
    from faceleak.metrics.matcher import Matcher, build_gallery
    from faceleak.metrics.options import BootstrapOptions

    shown = draw(centers(candidates=400, directions=16, people=16))["pixels"]
    shown = shown.reshape(len(shown), -1).astype(float) / 255 - 0.5  # the evaluator looks at pixels
    prior = load_prior(DEMO, CPU)
    drawn = draw_faces(prior, prior.space.draw(80, torch.Generator().manual_seed(3)), 16)
    people = pixels_of(drawn).reshape(80, -1).astype(float) / 255 - 0.5
    galleries = [build_gallery(people[place], np.arange(80)[place]) for place in (slice(40), slice(40, 80))]
    match = measure_match([shown], [Matcher(*galleries, frozenset(), 0.5)], BootstrapOptions(resamples=200))
    assert match["match_advantage_ci_low"] <= 0 <= match["match_advantage_ci_high"]
