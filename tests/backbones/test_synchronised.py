from functools import partial

import numpy as np
import pytest
import torch

from faceleak.compute import ComputeOptions, run_together

from .of_shares import after_training, fresh, of_share

TWO = ComputeOptions(device="cpu", threads=1, training_processes=2)
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@pytest.fixture(scope="module")
def batches() -> list[torch.Tensor]:
    """Activations after a convolution and embeddings: 8 images, some channels far from 0."""
    random = torch.Generator().manual_seed(0)
    shapes = [(8, 5, 4, 3), (8, 6)]
    return [
        torch.randn(shape, generator=random) * 2 + torch.arange(shape[1]).view(1, -1, *[1] * (len(shape) - 2))
        for shape in shapes
    ]


@pytest.fixture(scope="module")
def found(batches, tmp_path_factory):
    """Of each process, for each batch: with BN by itself, and with BN that is synchronised."""
    return run_together(partial(of_share, batches, tmp_path_factory.mktemp("group") / "meeting"), TWO)


@pytest.mark.parametrize("number", [0, 1])
def test_synchronised_bn_is_bn_of_the_whole_batch(number, batches, found):
    whole = after_training(fresh(batches[number]), batches[number])
    first, second = (of_rank[number][1] for of_rank in found)
    for name in ("output", "gradient"):
        np.testing.assert_allclose(np.concatenate([first[name], second[name]]), whole[name], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first["slope"] + second["slope"], whole["slope"], rtol=1e-4, atol=1e-5)
    for name in STATISTICS:
        np.testing.assert_allclose(first[name], whole[name], rtol=1e-5)
        assert (first[name] == second[name]).all()


@pytest.mark.parametrize("number", [0, 1])
def test_bn_by_itself_remembers_its_share_and_what_differs_is_what_lies_between_the_shares(number, batches, found):
    batch, momentum = batches[number], 0.5
    shares = [of_rank[number][0] for of_rank in found]
    for statistics, own in zip(shares, batch.chunk(2), strict=True):
        others = [axis for axis in range(batch.dim()) if axis != 1]
        kept = (1 - momentum) ** 2
        np.testing.assert_allclose(statistics["running_mean"], (1 - kept) * own.mean(others), rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(statistics["running_var"], kept + (1 - kept) * own.var(others), rtol=1e-4)
    assert np.abs(shares[0]["running_mean"] - shares[1]["running_mean"]).max() > 0.1
