from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import Tensor

from faceleak.faces.store import FaceStore
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.opening import identity_of, prepared, stand_in
from faceleak.reconstruction.priors.options import PriorOptions
from faceleak.reconstruction.priors.principal_components import PrincipalComponentsTask
from faceleak.reconstruction.priors.prior import PriorError
from faceleak.work.compute import ComputeOptions

CPU = torch.device("cpu")


def options(**asked: object) -> PriorOptions:
    return PriorOptions.model_validate({"principal_components": {"size": 16, **asked}})


@pytest.fixture
def public(demo_store: FaceStore) -> pd.DataFrame:
    return demo_store.manifest().head(30)[["image_id", "identity", "sha256"]]


@pytest.fixture
def own(compute: ComputeOptions, tmp_path: Path) -> ComputeOptions:
    return compute.model_copy(update={"cache": tmp_path})


def photos(store: FaceStore, images: pd.DataFrame, size: int = 16) -> Tensor:
    pixels = store.images(store.positions(images["image_id"]), size)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


def test_with_all_components_the_faces_that_they_were_fitted_to_are_drawn_to_the_bit_of_a_pixel(
    demo_store, public, own
) -> None:
    prior = load_prior(prepared(options(count=29), demo_store, public, own), CPU)
    faces = photos(demo_store, public)
    drawn = prior.faces(prior.encode(faces))
    assert (drawn - faces).abs().max() < 0.5 / 255


def test_latents_of_the_faces_that_they_were_fitted_to_are_standard_and_not_correlated(demo_store, public, own) -> None:
    prior = load_prior(prepared(options(count=8), demo_store, public, own), CPU)
    latents = prior.encode(photos(demo_store, public))
    assert torch.allclose(latents.T @ latents / 29, torch.eye(8), atol=1e-2)
    assert latents.mean(0).abs().max() < 1e-3


def test_a_projection_is_nearer_than_what_other_latents_draw_and_more_components_come_nearer(
    demo_store, public, own
) -> None:
    other = photos(demo_store, demo_store.manifest().tail(6))
    errors = []
    for count in (2, 8, 20):
        prior = load_prior(prepared(options(count=count), demo_store, public, own), CPU)
        latents = prior.encode(other)
        errors.append(float((prior.faces(latents) - other).square().mean()))
        moved = prior.faces(latents + 0.3 * torch.randn(latents.shape, generator=torch.Generator().manual_seed(0)))
        assert (moved - other).square().mean() > errors[-1]
    assert errors == sorted(errors, reverse=True)


def test_faces_of_any_size_are_projected_and_gradients_reach_latents(demo_store, public, own) -> None:
    prior = load_prior(prepared(options(count=5), demo_store, public, own), CPU)
    assert prior.encode(torch.rand(2, 3, 40, 40)).shape == (2, 5)
    latents = prior.space.draw(3, torch.Generator().manual_seed(0)).requires_grad_(True)
    prior.faces(latents).sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().min() > 0


def test_they_are_fitted_once_and_are_the_same_whatever_the_order_of_the_rows(demo_store, public, own) -> None:
    first = prepared(options(count=5), demo_store, public, own)
    path = first.principal_components.fitted
    written, content = path.stat().st_mtime_ns, path.read_bytes()
    again = prepared(options(count=5), demo_store, public.iloc[::-1], own)
    assert again.principal_components.fitted == path
    assert path.stat().st_mtime_ns == written
    path.unlink()
    prepared(options(count=5), demo_store, public, own)
    assert path.read_bytes() == content


def test_at_most_so_many_images_are_taken_whatever_there_are(demo_store, public, own) -> None:
    asked = options(count=5, images=10).principal_components
    task = PrincipalComponentsTask(demo_store, public, asked, own)
    assert len(task.fitted_to) == 10
    assert task.path != PrincipalComponentsTask(demo_store, public, asked.model_copy(update={"seed": 1}), own).path


def test_a_prior_is_named_by_the_faces_that_it_was_fitted_to_and_not_by_its_place(
    demo_store, public, own, tmp_path
) -> None:
    elsewhere = own.model_copy(update={"cache": tmp_path / "elsewhere"})
    one, other, fewer = (
        prepared(options(count=3), demo_store, images, compute, fit=False)
        for images, compute in ((public, own), (public, elsewhere), (public.head(20), own))
    )
    assert identity_of(one) == identity_of(other) != identity_of(fewer)
    assert not one.principal_components.fitted.exists()


def test_too_few_faces_and_missing_components_are_told(demo_store, public, own) -> None:
    with pytest.raises(PriorError, match="count is 30, but the role `public` has 30 images"):
        prepared(options(count=30), demo_store, public, own)
    with pytest.raises(PriorError, match="are not fitted"):
        load_prior(options(count=3), CPU)
    fitted = prepared(options(count=3), demo_store, public, own).principal_components
    with pytest.raises(PriorError, match=r"shape \(3, 768\)"):
        load_prior(PriorOptions(principal_components=fitted.model_copy(update={"count": 4})), CPU)


def test_a_plan_draws_with_what_stands_in_for_components(own) -> None:
    prior = stand_in(options(count=3), CPU)
    assert prior.faces(torch.randn(2, 3)).shape == (2, 3, 16, 16)


def test_other_priors_need_no_preparation(demo_store, public, own) -> None:
    demo = PriorOptions.model_validate("demo")
    assert prepared(demo, demo_store, public, own) == demo
