from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from faceleak.backbones.head import Head
from faceleak.faces.store import FaceStore
from faceleak.reconstruction.arrays import INTENDED
from faceleak.reconstruction.beside import beside, draw, draw_all
from faceleak.reconstruction.bounds import Ceiling, HeadGiven, project
from faceleak.reconstruction.drawing import draw_faces, pixels_of
from faceleak.reconstruction.options import CeilingOptions, HeadGivenOptions
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.opening import prepared
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.work.compute import ComputeOptions

CPU = torch.device("cpu")
DEMO = PriorOptions.model_validate("demo")
FEW = CeilingOptions(people=2, candidates=50, steps=2)


@pytest.fixture
def own(compute: ComputeOptions, tmp_path: Path) -> ComputeOptions:
    return compute.model_copy(update={"cache": tmp_path})


@pytest.fixture
def photos(demo_store: FaceStore) -> pd.DataFrame:
    return demo_store.manifest().drop_duplicates("identity").head(4)[["image_id", "sha256"]]


@pytest.fixture
def head_given(tiny_backbone, own):
    def make(**options: object) -> HeadGiven:
        rows = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
        asked = HeadGivenOptions.model_validate({"candidates": 40, "steps": 3} | options)
        return HeadGiven(tiny_backbone, rows, np.array([0, 2, 4]), DEMO, asked, own)

    return make


def test_what_a_generator_has_drawn_itself_is_found_again() -> None:
    prior = load_prior(DEMO, CPU)
    faces = draw_faces(prior, prior.space.draw(4, torch.Generator().manual_seed(9)), 4)
    errors = []
    for steps in (0, 40):
        latents = project(prior, faces, CeilingOptions(candidates=300, steps=steps))
        errors.append(float((draw_faces(prior, latents, 4) - faces).square().mean()))
        assert torch.allclose(latents.norm(dim=1), torch.full((4,), 10.0))
    assert errors[1] < 0.2 * errors[0]
    random = draw_faces(prior, prior.space.draw(4, torch.Generator().manual_seed(1)), 4)
    assert errors[0] < (random - faces).square().mean()


def test_the_ceiling_of_principal_components_is_the_projection_and_with_all_of_them_the_photo(
    demo_store, photos, own
) -> None:
    images = demo_store.manifest()
    asked = PriorOptions.model_validate({"principal_components": {"count": 29, "size": 64}})
    prior = prepared(asked, demo_store, images.head(30)[["image_id", "sha256"]], own)
    drawn = draw(Ceiling(demo_store, photos, np.arange(4), prior, FEW, own))
    pixels = demo_store.images(demo_store.positions(photos["image_id"]), 64)
    assert np.abs(drawn["pixels"].astype(int) - pixels).max() <= 1


def test_a_ceiling_is_drawn_once_and_named_by_photos_prior_and_options(demo_store, photos, own) -> None:
    ceiling = Ceiling(demo_store, photos, np.arange(4), DEMO, FEW, own)
    draw_all([ceiling, ceiling], own)
    written = ceiling.path.stat().st_mtime_ns
    drawn = draw(ceiling)
    assert ceiling.path.stat().st_mtime_ns == written
    assert drawn["pixels"].shape == (4, 64, 64, 3)
    assert drawn["latents"].shape == (4, 100)
    framed = PriorOptions.model_validate({"demo": True, "image_size": 32})
    others = [
        Ceiling(demo_store, photos.head(3), np.arange(3), DEMO, FEW, own),
        Ceiling(demo_store, photos, np.arange(4), framed, FEW, own),
        Ceiling(demo_store, photos, np.arange(4), DEMO, FEW.model_copy(update={"steps": 3}), own),
    ]
    assert len({ceiling.path, *(other.path for other in others)}) == 4


def test_directions_are_climbed_and_faces_come_nearer_to_their_own(head_given) -> None:
    prior, bound = load_prior(DEMO, CPU), head_given(steps=15, augmented=False)
    unit = functional.normalize(bound.rows, dim=1)

    def cosines(latents: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return functional.cosine_similarity(bound.backbone(prior.faces(latents)), unit)

    start = head_given(steps=0).latents(prior, CPU, torch.float32)
    assert (cosines(bound.latents(prior, CPU, torch.float32)) > cosines(start)).all()


def test_head_given_is_named_by_network_rows_and_options(head_given, tiny_backbone) -> None:
    paths = [head_given().path, head_given(steps=4).path, head_given(augmented=False).path]
    tiny_backbone.net.bn1.eps = 2e-5
    paths.append(head_given().path)
    assert len(set(paths)) == 4


def test_beside_a_search_stand_faces_what_its_attack_says_of_them_and_who_is_meant(head_given, tiny_scorer) -> None:
    bound = head_given()
    found = beside(bound, tiny_scorer)
    assert set(found) == {"latents", "pixels", "scores", INTENDED}
    assert found[INTENDED].tolist() == [0, 2, 4]
    prior = load_prior(DEMO, CPU)
    assert np.array_equal(found["pixels"], pixels_of(draw_faces(prior, torch.from_numpy(found["latents"]), 16)))
    faces = torch.from_numpy(found["pixels"]).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert torch.allclose(tiny_scorer.score(faces), torch.from_numpy(found["scores"]), atol=1e-4)


def test_long_latents_cost_something(demo_store, tiny_backbone, own) -> None:
    images = demo_store.manifest().head(30)[["image_id", "sha256"]]
    asked = PriorOptions.model_validate({"principal_components": {"count": 8, "size": 32}})
    prior = prepared(asked, demo_store, images, own)
    rows, norms = torch.eye(16)[:3], []
    for shrinking in (0.0, 10.0):
        options = HeadGivenOptions(candidates=40, steps=15, shrinking=shrinking)
        bound = HeadGiven(tiny_backbone, rows, np.arange(3), prior, options, own)
        norms.append(bound.latents(load_prior(prior, CPU), CPU, torch.float32).norm())
    assert norms[1] < 0.5 * norms[0]


@pytest.mark.parametrize("kind", ["ceiling", "head_given"])
def test_no_code_runs_that_is_not_in_the_key(kind, head_given, demo_store, photos, own, not_in_keys) -> None:
    bound = head_given() if kind == "head_given" else Ceiling(demo_store, photos, np.arange(4), DEMO, FEW, own)
    assert not_in_keys(lambda: draw(bound)) == set()


def test_an_untrained_network_gives_away_nobody_by_a_random_head(demo_store, demo_splits, tiny_backbone, own) -> None:
    """A row of a random head is no person: its faces show the intended ones as often as chance does."""
    from faceleak.metrics.identity_match import measure_match
    from faceleak.metrics.matcher import Matcher, build_gallery
    from faceleak.metrics.options import BootstrapOptions
    from faceleak.metrics.ranks import measure_ranks, rank_intended

    generator = torch.Generator().manual_seed(3)
    tiny_backbone.head = Head(torch.randn(40, 16, generator=generator), tuple(map(str, range(40))), 16.0)
    options = HeadGivenOptions(candidates=60, steps=4)
    bound = HeadGiven(tiny_backbone, tiny_backbone.head.weight, np.arange(40), DEMO, options, own)
    shown = draw(bound)["pixels"].reshape(40, -1).astype(float) / 255 - 0.5  # the evaluator looks at pixels
    prior = load_prior(DEMO, CPU)
    people = pixels_of(draw_faces(prior, prior.space.draw(80, generator), 16)).reshape(80, -1).astype(float) / 255 - 0.5
    galleries = [build_gallery(people[place], np.arange(80)[place]) for place in (slice(40), slice(40, 80))]
    matcher, bootstrap = Matcher(*galleries, frozenset(), 0.5), BootstrapOptions(resamples=200)
    match = measure_match([shown], [matcher], bootstrap)
    assert match["match_advantage_ci_low"] <= 0 <= match["match_advantage_ci_high"]
    ranks = measure_ranks(rank_intended([shown], np.arange(40), [matcher]), bootstrap)
    assert ranks["cmc_at_10_ci_low"] <= 10 / 80 <= ranks["cmc_at_10_ci_high"]
    assert ranks["median_rank_ci_low"] <= 40.5 <= ranks["median_rank_ci_high"]
