import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from faceleak.backbones.checkpoint import BackboneError, sha256_of_file
from faceleak.backbones.placing import place_faces
from faceleak.faces.canvas import Canvas
from faceleak.reconstruction.priors import load_prior
from faceleak.reconstruction.priors.generators import FramedPrior, cut_out
from faceleak.reconstruction.priors.opening import identity_of
from faceleak.reconstruction.priors.options import CROPS, Crop, PriorOptions
from faceleak.reconstruction.priors.prior import PriorError

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def generators(monkeypatch: pytest.MonkeyPatch) -> None:
    """`generators:Blocks` can be imported, as a user's own module."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    yield
    sys.modules.pop("generators", None)


def _options(**changes: object) -> PriorOptions:
    given = {"factory": "generators:Blocks", "latent_size": 5, "output_range": [0, 255]}
    return PriorOptions.model_validate(given | changes)


def test_a_generator_of_the_users_own_draws_faces_from_black_to_white() -> None:
    from generators import Blocks

    prior = load_prior(_options(), CPU)
    latents = prior.space.draw(4, torch.Generator().manual_seed(0)).requires_grad_(True)
    faces = prior.faces(latents)
    assert torch.allclose(faces, Blocks()(latents) / 255)
    assert faces.shape == (4, 3, 8, 8)
    assert 0 <= faces.min() < faces.max() <= 1
    (gradient,) = torch.autograd.grad(faces[1].sum(), latents)
    assert gradient[1].abs().min() > 0
    assert torch.equal(gradient[0], torch.zeros(5))
    assert torch.allclose(load_prior(_options(output_range=[255, 0]), CPU).faces(latents), 1 - faces, atol=1e-6)


def test_its_weights_are_loaded_and_pinned(tmp_path: Path) -> None:
    from generators import Blocks

    other, path = Blocks(seed=7), tmp_path / "gan.safetensors"
    save_file(other.state_dict(), path)
    latents = torch.randn(2, 5)
    prior = load_prior(_options(weights=str(path), sha256=sha256_of_file(path)), CPU)
    assert torch.allclose(prior.faces(latents), other(latents) / 255)
    with pytest.raises(BackboneError, match="SHA-256"):
        load_prior(_options(weights=str(path), sha256="0" * 64), CPU)
    save_file({"linear.weight": torch.ones(2)}, path)
    with pytest.raises(BackboneError, match=r"1 missing \(linear.bias\)"):
        load_prior(_options(weights=str(path)), CPU)


def test_what_is_no_generator_is_refused() -> None:
    with pytest.raises(PriorError, match=r"cannot take latents of shape \(2, 6\)"):
        load_prior(_options(latent_size=6), CPU)
    with pytest.raises(PriorError, match=r"gives \(2, 1, 8, 8\) for two latents"):
        load_prior(_options(arguments={"channels": 1}), CPU)


def test_weights_that_come_with_the_class_name_the_prior() -> None:
    same, other = _options(arguments={"seed": 0}), _options(arguments={"seed": 1})
    assert identity_of(same)[1] == identity_of(_options())[1] != identity_of(other)[1]
    assert identity_of(same) != identity_of(_options())


# ArcFace's template for 112 × 112: left eye, right eye, nose, left and right corner of the mouth
ARCFACE = torch.tensor(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def test_the_crop_for_arcface_is_where_the_two_alignments_put_the_same_face() -> None:
    eyes, mouth = ARCFACE[:2].mean(0), ARCFACE[3:].mean(0)
    between_eyes, down = ARCFACE[1] - ARCFACE[0], mouth - eyes
    axis = between_eyes - torch.stack([-down[1], down[0]])
    side = 2 * float(max(2 * between_eyes.norm(), 1.8 * down.norm()))
    assert abs(float(axis[1])) < 0.02 * float(axis[0])  # upright: no rotation between the two
    corner = eyes + 0.1 * down - side / 2  # of FFHQ's frame, in pixels of ArcFace's
    crop = CROPS["ffhq_to_arcface"]
    found = torch.tensor([crop.left, crop.top, crop.right, crop.bottom])
    assert torch.allclose(found, torch.cat([-corner / side, (112 - corner) / side]), atol=0.002)


def test_a_part_is_cut_out_by_its_fractions() -> None:
    faces = torch.arange(100.0).view(1, 1, 10, 10).expand(2, 3, -1, -1)
    part = cut_out(faces, Crop(left=0.2, top=0.1, right=0.5, bottom=0.9))
    assert part.shape == (2, 3, 8, 3)
    assert part[0, 0, 0].tolist() == [12, 13, 14]
    assert cut_out(faces, Crop(left=0.999, top=0, right=1, bottom=0.001)).shape == (2, 3, 1, 1)


def test_faces_are_cut_and_then_scaled(small_prior) -> None:
    latents = torch.randn(3, 6, generator=torch.Generator().manual_seed(0))
    crop = Crop(left=0.25, top=0, right=0.75, bottom=0.5)
    framed = FramedPrior(small_prior, crop, 20)
    expected = place_faces(small_prior.faces(latents)[:, :, :8, 4:12], Canvas(20, 20))
    assert torch.equal(framed.faces(latents), expected)
    assert framed.faces(latents).shape == (3, 3, 20, 20)
    assert framed.latent_size == 6
    assert torch.equal(FramedPrior(small_prior, None, 16).faces(latents), small_prior.faces(latents))


def test_a_crop_keeps_something() -> None:
    with pytest.raises(ValueError, match="nothing is left"):
        Crop(left=0.5, top=0, right=0.5, bottom=1)
