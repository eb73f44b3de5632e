import numpy as np
import pytest

from faceleak.backbones.embedding import embed
from faceleak.bypasses.unwrapping import bypass
from faceleak.defenses import embedding_noise, embedding_rounding


@pytest.mark.parametrize(
    ("defense", "settings"), [(embedding_noise, {"strength": 3.0}), (embedding_rounding, {"decimals": 0})]
)
def test_the_embeddings_of_the_network_come_back_to_the_bit(defense, settings, owner, own):
    released = defense.defend(owner, defense.Settings(**settings), 0)
    ids = owner.public["image_id"]
    expected, before, after = (
        embed(backbone, owner.store, ids, owner.compute)
        for backbone in (owner.backbone, released, bypass(released, own))
    )
    assert not np.allclose(before, expected, atol=0.1)
    np.testing.assert_array_equal(after, expected)
    assert released.card.release is not None
