import numpy as np
import pytest

from faceleak.backbones.batch_norm import NoBatchNormError, bn_layers
from faceleak.backbones.embedding import embed
from faceleak.defenses.bn_folding import Settings, defend


def test_embeddings_stay_and_no_statistics_are_left(owner):
    folded = defend(owner, Settings(), 0)
    with pytest.raises(NoBatchNormError):
        bn_layers(folded.net)
    ids = owner.public["image_id"]
    expected = embed(owner.backbone, owner.store, ids, owner.compute)
    np.testing.assert_allclose(embed(folded, owner.store, ids, owner.compute), expected, rtol=1e-3, atol=1e-4)
