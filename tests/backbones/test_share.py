import numpy as np
import pytest
import torch

from faceleak.backbones.augmentation import augment
from faceleak.backbones.share import Share
from faceleak.backbones.training_options import TrainingOptions


def test_shares_of_all_processes_are_the_batches_in_their_order():
    order = np.random.default_rng(0).permutation(24)
    first, second = (Share(rank, 2).positions(order, 8) for rank in range(2))
    for batch in range(3):
        both = np.concatenate([first[4 * batch : 4 * batch + 4], second[4 * batch : 4 * batch + 4]])
        assert (both == order[8 * batch : 8 * batch + 8]).all()
    assert (Share().positions(order, 8) == order).all()


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_see_the_faces_that_one_would_see(processes):
    faces = torch.rand((8, 3, 16, 16), generator=torch.Generator().manual_seed(0))
    options = TrainingOptions(architecture="iresnet_tiny", epochs=1, augmentation="strong")
    generators = [np.random.default_rng(1) for _ in range(processes + 1)]
    for _ in range(2):  # generators must stay at the same draw
        whole = augment(faces, options, generators[-1])
        parts = [
            augment(own, options, generators[rank], Share(rank, processes))
            for rank, own in enumerate(faces.chunk(processes))
        ]
        assert torch.equal(torch.cat(parts), whole)
