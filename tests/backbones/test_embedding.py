import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch

from faceleak.backbones import faces_input
from faceleak.backbones.embedding import NotFiniteError, embed, embed_pixels, read_faces
from faceleak.backbones.faces_input import face_batches, to_tensor
from faceleak.faces.images import ImageError
from faceleak.faces.store import StoreError

CPU = torch.device("cpu")


@pytest.fixture
def image_ids(demo_store):
    """37 images in an order of their own; one occurs twice."""
    ids = demo_store.manifest()["image_id"].sample(36, random_state=0).tolist()
    return [*ids, ids[3]]


def test_pixels_become_faces_by_hand():
    pixels = np.zeros((2, 4, 5, 3), np.uint8)
    pixels[1, 2, 3] = (255, 51, 0)
    faces = to_tensor(pixels, CPU)
    assert faces.shape == (2, 3, 4, 5)
    assert faces.dtype == torch.float32
    torch.testing.assert_close(faces[1, :, 2, 3], torch.tensor([1.0, 0.2, 0.0]))
    assert float(faces.sum()) == pytest.approx(1.2)
    assert pixels[1, 2, 3].tolist() == [255, 51, 0]  # what was handed in stays


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("images", [0, 1, 3, 4, 5, 12, 29])
def test_batches_come_in_order_and_only_the_last_is_short(images, threads, demo_store, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    positions = np.random.default_rng(0).permutation(72)[:images]
    batches = list(face_batches(demo_store, positions, 64, 4, CPU))
    assert [len(batch) for batch in batches] == [4] * (images // 4) + [images % 4] * (images % 4 > 0)
    if images:
        assert torch.equal(torch.cat(batches), to_tensor(demo_store.images(positions, 64), CPU))


@pytest.mark.parametrize("decoders", [1, 3])
@pytest.mark.parametrize("batches", [0, 1, 2, 9])
def test_what_is_decoded_ahead_comes_in_order_and_not_all_at_once(batches, decoders, monkeypatch):
    monkeypatch.setattr(faces_input, "MOST_DECODERS", decoders)
    started = []

    def load(batch):
        started.append(batch[0])
        return torch.tensor(batch)

    coming = faces_input._decoded_ahead(load, [np.array([number]) for number in range(batches)])
    for number, faces in enumerate(coming):
        assert faces.tolist() == [number]
        assert len(started) <= number + 1 + decoders
    assert sorted(started) == list(range(batches))


def test_an_error_of_the_decoder_comes_through_after_the_batches_before_it(demo_store, monkeypatch):
    decode = demo_store.images

    def decode_some(positions, size):
        if 9 in positions:
            raise ImageError("image 9 is damaged")
        return decode(positions, size)

    monkeypatch.setattr(demo_store, "images", decode_some)
    batches = face_batches(demo_store, np.arange(16), 32, 4, CPU)
    assert [len(next(batches)) for _ in range(2)] == [4, 4]
    with pytest.raises(ImageError, match="image 9"):
        next(batches)


def test_a_reader_that_stops_early_leaves_no_thread(demo_store):
    import threading

    before = threading.active_count()
    batches = face_batches(demo_store, np.arange(16), 32, 4, CPU)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_embeddings_follow_the_order_of_the_images_and_batches_change_nothing(
    tiny_backbone, demo_store, image_ids, compute
):
    with torch.inference_mode():
        expected = [
            tiny_backbone(to_tensor(demo_store.images([position], 32), CPU))[0].numpy()
            for position in demo_store.positions(image_ids)
        ]
    for batch_size in (1, 16, 64):
        options = compute.model_copy(update={"batch_size": batch_size})
        embeddings = embed(tiny_backbone, demo_store, image_ids, options)
        assert embeddings.shape == (37, 16)
        assert embeddings.dtype == np.float32
        np.testing.assert_allclose(embeddings, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(embeddings[36], embeddings[3], rtol=1e-4, atol=1e-4)


def test_pixels_in_memory_get_the_same_embeddings_as_the_store(tiny_backbone, demo_store, image_ids, compute):
    pixels = demo_store.images(demo_store.positions(image_ids), 32)
    np.testing.assert_array_equal(
        embed_pixels(tiny_backbone, pixels, compute), embed(tiny_backbone, demo_store, image_ids, compute)
    )


@pytest.mark.parametrize("read", ["store", "memory"])
def test_the_backbone_stays_as_it_came_even_in_training_mode(read, tiny_backbone, demo_store, image_ids, compute):
    expected = embed(tiny_backbone, demo_store, image_ids, compute)
    tiny_backbone.train()
    tiny_backbone.net.layer1.eval()
    modes = {name: module.training for name, module in tiny_backbone.named_modules()}
    before = deepcopy(tiny_backbone.state_dict())
    if read == "store":
        embeddings = embed(tiny_backbone, demo_store, image_ids, compute)
    else:
        embeddings = embed_pixels(tiny_backbone, demo_store.images(demo_store.positions(image_ids), 32), compute)
    np.testing.assert_array_equal(embeddings, expected)  # read in evaluation mode
    torch.testing.assert_close(tiny_backbone.state_dict(), before, rtol=0, atol=0)
    assert {name: module.training for name, module in tiny_backbone.named_modules()} == modes
    assert all(parameter.grad is None for parameter in tiny_backbone.parameters())


def test_any_function_of_backbone_and_faces_can_be_read(tiny_backbone, demo_store, image_ids, compute):
    def mean_color(backbone, faces):
        assert backbone is tiny_backbone
        assert torch.is_inference_mode_enabled()
        return faces.mean((2, 3)).double()

    rows = read_faces(mean_color, tiny_backbone, demo_store, image_ids, compute, "Reading")
    assert rows.dtype == np.float32
    pixels = demo_store.images(demo_store.positions(image_ids), 32)
    np.testing.assert_allclose(rows, pixels.mean((1, 2)) / 255, rtol=1e-5)


def test_an_error_while_reading_restores_the_mode(tiny_backbone, demo_store, image_ids, compute):
    def fail(backbone, faces):
        raise KeyError

    with pytest.raises(KeyError):
        read_faces(fail, tiny_backbone.train(), demo_store, image_ids, compute, "Reading")
    assert tiny_backbone.training


def test_an_image_that_is_not_there_is_an_error(tiny_backbone, demo_store, compute):
    with pytest.raises(StoreError, match="1 of 2 images"):
        embed(tiny_backbone, demo_store, ["person_00000/000", "nobody/000"], compute)


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_numbers_that_cannot_be_compared_are_an_error(broken, tiny_backbone, demo_store, image_ids, compute):
    tiny_backbone.net.features.running_mean[5] = broken
    with pytest.raises(NotFiniteError, match=r"Embedding: 37 of 37 faces.*damaged.*lower its strength"):
        embed(tiny_backbone, demo_store, image_ids, compute)
    with pytest.raises(NotFiniteError, match="2 of 2 faces"):
        embed_pixels(tiny_backbone, demo_store.images([0, 1], 32), compute)


def test_reading_gives_no_warnings(tiny_backbone, demo_store, image_ids, compute):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        embed(tiny_backbone, demo_store, image_ids, compute)
