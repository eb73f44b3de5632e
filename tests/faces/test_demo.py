import numpy as np
import pytest

from faceleak.faces import demo
from faceleak.faces.demo import DemoFaces, draw_person, latent_of
from faceleak.faces.images import decode_jpeg
from faceleak.faces.options import DemoOptions
from faceleak.work.compute import ComputeOptions

OPTIONS = DemoOptions(people=4, images_per_person=3)


def pixels_of(options: DemoOptions, person: int) -> np.ndarray:
    return np.stack([decode_jpeg(face.jpeg) for face in draw_person(options, person)]).astype(float)


def test_the_store_holds_every_image_of_every_person(demo_store):
    manifest = demo_store.manifest()
    assert manifest.groupby("identity").size().tolist() == [6] * 12
    assert manifest["identity"].unique().tolist() == [f"person_{person:05d}" for person in range(12)]
    assert manifest["image_id"][7] == "person_00001/001"
    assert set(manifest["width"]) == set(manifest["height"]) == {64}
    assert not manifest["sha256"].duplicated().any()
    assert demo_store.pixels(7).shape == (64, 64, 3)
    assert demo_store.images(np.arange(72), 64).std() > 40


def test_a_person_is_drawn_alike_however_many_people_there_are(demo_store):
    again = draw_person(DemoOptions(people=900, images_per_person=6), 5)
    assert [face.jpeg for face in again] == [demo_store.jpeg(position) for position in range(30, 36)]


def test_neither_tasks_nor_threads_change_a_person(compute, monkeypatch):
    import torch

    whole = list(DemoFaces(OPTIONS, compute))
    assert len(whole) == len(DemoFaces(OPTIONS, compute)) == 12
    monkeypatch.setattr(demo, "PEOPLE_PER_TASK", 3)
    threads = torch.get_num_threads()
    for number in (1, 2, 5):
        torch.set_num_threads(number)
        assert list(DemoFaces(OPTIONS, compute)) == whole
    torch.set_num_threads(threads)


def test_people_and_seeds_differ():
    first = draw_person(OPTIONS, 0)[0].jpeg
    assert first != draw_person(OPTIONS, 1)[0].jpeg
    assert first != draw_person(OPTIONS.model_copy(update={"seed": 1}), 0)[0].jpeg


def test_without_variation_and_nuisance_all_images_of_a_person_are_one():
    still = DemoOptions(people=2, images_per_person=3, image_variation=0, nuisance=0)
    images = pixels_of(still, 0)
    assert (images[0] == images[1]).all()
    assert (images[0] == images[2]).all()
    assert (pixels_of(still, 1)[0] != images[0]).any()


def test_nuisance_moves_images_off_the_generators_range():
    plain = pixels_of(OPTIONS.model_copy(update={"nuisance": 0.0}), 0)
    distances = [np.abs(pixels_of(OPTIONS.model_copy(update={"nuisance": n}), 0) - plain).mean() for n in (0.25, 1.0)]
    assert 2 < distances[0] < distances[1]


def test_images_of_a_person_are_closer_than_those_of_two(demo_store):
    images = demo_store.images(np.arange(72), 64).reshape(12, 6, -1).astype(float)
    within = np.linalg.norm(images[:, 0] - images[:, 1], axis=1).mean()
    between = np.linalg.norm(images[:, 0] - np.roll(images[:, 1], 1, axis=0), axis=1).mean()
    assert within < 0.9 * between


def test_drawing_leaves_the_global_generator_alone():
    import torch

    before = torch.get_rng_state()
    draw_person(OPTIONS, 0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("change", [{"people": 5}, {"seed": 1}, {"nuisance": 0.1}, {"image_variation": 0.1}])
def test_the_fingerprint_follows_the_options_and_not_the_place(change, compute):
    fingerprint = DemoFaces(OPTIONS, compute).fingerprint()
    assert DemoFaces(OPTIONS, ComputeOptions(device="cpu", workers=2)).fingerprint() == fingerprint
    assert DemoFaces(OPTIONS.model_copy(update=change), compute).fingerprint() != fingerprint


def test_without_variation_a_persons_images_are_what_their_latent_makes():
    import torch

    from faceleak.faces.demo_generator import load_demo_generator

    drawn = pixels_of(DemoOptions(people=4, images_per_person=2, image_variation=0, nuisance=0), 3)
    with torch.inference_mode():
        faces = (load_demo_generator()(torch.from_numpy(latent_of(OPTIONS, 3)[None]).float())[0] + 1) * 127.5
    expected = faces.permute(1, 2, 0).numpy()
    assert np.abs(drawn - expected).mean() < 4  # JPEG
    assert np.abs(pixels_of(DemoOptions(people=4, images_per_person=2), 3) - expected).mean() > 10
