import pickle

import numpy as np
import pytest
import torch
from torch import nn

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.card import BackboneCard, Preprocessing
from faceleak.backbones.embedding import embed
from faceleak.backbones.release import Release
from faceleak.bypasses.averaging import QUERIES, SHIFT, bypass, changed
from faceleak.defenses import embedding_noise


def test_faces_are_moved_by_whole_pixels_and_made_brighter():
    faces = torch.arange(16.0).view(1, 1, 4, 4) / 32
    assert torch.equal(changed(faces, 0, 0, 0.0), faces)
    moved = changed(faces, 1, -2, 0.25)[0, 0] * 32 - 8
    # one row down, two columns to the left, edges repeated
    assert moved.tolist() == [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7], [10, 11, 11, 11]]


@pytest.mark.parametrize(("pixel", "brighter", "expected"), [(0.99, 0.03, 1.0), (0.01, -0.03, 0.0)])
def test_brightness_stays_within_its_range(pixel, brighter, expected):
    assert float(changed(torch.full((1, 3, 4, 4), pixel), 0, 0, brighter).unique()) == expected


def test_16_queries_bring_noise_down_to_a_quarter():
    card = BackboneCard(architecture="iresnet_tiny", embedding_size=768, preprocessing=Preprocessing(image_size=16))
    plain = Backbone(nn.Flatten(), card)  # every change of the image changes the embedding, and so the noise
    released = Backbone(nn.Flatten(), card.model_copy(update={"release": Release(noise=0.5, seed=1)}))
    faces = torch.rand((20, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    before = released(faces) - plain(faces)
    after = bypass(released, None)(faces) - bypass(plain, None)(faces)
    # 15,360 numbers; the noise of a query is relative to its own embedding, which brightness changes by some percent
    assert float(after.std() / before.std()) == pytest.approx(1 / np.sqrt(QUERIES), rel=0.05)


def test_a_noisy_target_comes_near_to_itself(owner, own):
    ids = owner.store.manifest()["image_id"]
    noisy = embedding_noise.defend(owner, embedding_noise.Settings(strength=2.0), 0)
    plain = bypass(owner.backbone, own)
    wanted, before, after = (
        embed(backbone, owner.store, ids, owner.compute) for backbone in (plain, noisy, bypass(noisy, own))
    )

    def cosine(embeddings: np.ndarray) -> float:
        norms = np.linalg.norm(embeddings, axis=1) * np.linalg.norm(wanted, axis=1)
        return float(((embeddings * wanted).sum(1) / norms).mean())

    assert cosine(before) < 0.6  # 1 / √(1 + 2²) = 0.45
    assert cosine(after) > 0.8  # 1 / √(1 + 2²/16) = 0.89


def test_each_face_is_averaged_by_itself_and_always_alike(owner, own):
    averaging = bypass(owner.backbone, own)
    faces = torch.rand((3, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        together = averaging(faces)
        torch.testing.assert_close(together, torch.cat([averaging(face[None]) for face in faces]), rtol=1e-4, atol=1e-5)
        expected = torch.stack(
            [
                owner.backbone(changed(faces, down, right, more))
                for (down, right), more in zip(averaging.shifts, averaging.brightness, strict=True)
            ]
        ).mean(0)
    torch.testing.assert_close(together, expected)
    assert len(averaging.shifts) == len(averaging.brightness) == QUERIES
    assert {abs(step) for shift in averaging.shifts for step in shift} == set(range(SHIFT + 1))
    assert len(set(map(tuple, averaging.shifts))) == QUERIES  # no two queries are alike


def test_it_has_a_hash_of_its_own_and_travels_to_other_processes(owner, own):
    averaging = bypass(owner.backbone, own)
    assert averaging.weights_hash() != owner.backbone.weights_hash()
    assert averaging.weights_hash() == bypass(owner.backbone, own).weights_hash()
    sent = pickle.loads(pickle.dumps(averaging))
    ids = owner.public["image_id"].head(3)
    np.testing.assert_array_equal(
        embed(sent, owner.store, ids, owner.compute), embed(averaging, owner.store, ids, owner.compute)
    )


def test_two_releases_of_the_same_weights_are_told_apart_by_their_cards(owner, own):
    noisy = embedding_noise.defend(owner, embedding_noise.Settings(strength=0.5), 0)
    assert bypass(noisy, own).card.release == noisy.card.release
    assert bypass(owner.backbone, own).card.release is None
