import pandas as pd
import pytest

from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.membership.other_images import read_with_other_images
from faceleak.membership.view_signals import SignalsPiece, read_views

NAMES = ("bn_distance", "reference_similarity")


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_every_view_is_read_as_if_it_were_alone(workers, tiny_backbone, demo_store, demo_splits, compute, tmp_path):
    images, nobody = with_role(demo_splits, *EVALUATED_ROLES), demo_splits.head(0)
    pieces = {
        "a": SignalsPiece(NAMES, tiny_backbone, demo_store, images, nobody),
        "b": SignalsPiece(NAMES[:1], tiny_backbone, demo_store, images, nobody),
    }
    own = compute.model_copy(update={"workers": workers, "cache": tmp_path})
    tables = read_views(pieces, own)
    assert list(tables) == ["a", "b"]
    for view, piece in pieces.items():
        alone = read_with_other_images(piece.names, tiny_backbone, demo_store, images, compute, nobody)
        pd.testing.assert_frame_equal(tables[view], alone, rtol=1e-5, atol=1e-6)
