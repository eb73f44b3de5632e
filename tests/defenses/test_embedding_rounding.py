import numpy as np
import pytest

from faceleak.backbones.embedding import embed
from faceleak.defenses.embedding_rounding import Settings, defend


@pytest.mark.parametrize("decimals", [0, 1, 3])
def test_embeddings_of_unit_length_are_rounded(decimals, owner):
    ids = owner.public["image_id"]
    plain = embed(owner.backbone, owner.store, ids, owner.compute)
    plain /= np.linalg.norm(plain, axis=1, keepdims=True)
    rounded = embed(defend(owner, Settings(decimals=decimals), 0), owner.store, ids, owner.compute)
    np.testing.assert_allclose(rounded * 10**decimals, np.round(rounded * 10**decimals), atol=1e-3)
    assert np.abs(rounded - plain).max() <= 0.5 / 10**decimals + 1e-5
