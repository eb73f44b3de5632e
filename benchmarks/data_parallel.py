"""What BN of one share of each batch misses: `python -m benchmarks.data_parallel STORE`, a packed store of faces.

Trains `iresnet_tiny`, then compares the BN statistics of a share of each batch with those of the whole.
"""

import sys
import tempfile
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.store import FaceStore
from faceleak.work.compute import ComputeOptions

CPU = torch.device("cpu")
PEOPLE, IMAGES_EACH, STEPS = 8, 6, 40


def trained(store: FaceStore) -> Backbone:
    """A backbone after twelve steps."""
    images = store.manifest().groupby("identity").head(IMAGES_EACH).head(PEOPLE * IMAGES_EACH)
    options = TrainingOptions(
        architecture="iresnet_tiny",
        image_size=32,
        embedding_size=16,
        epochs=2,
        batch_size=8,
        learning_rate=0.05,
        margin=0.3,
        scale=16,
    )
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        compute = ComputeOptions(device="cpu", precision="float32", threads=1, cache=Path(folder))
        return train_backbones([TrainingTask("backbone", store, images, options, compute, Path(folder))], compute)[0]


def compare_statistics(store: FaceStore) -> None:
    """Print how far BN statistics of the first share of each batch lie from those of the whole batch."""
    backbone = trained(store)
    nets = {shares: deepcopy(backbone).train() for shares in (1, 2, 4, 8)}
    for net in nets.values():
        for layer in bn_layers(net.net).values():
            layer.reset_running_stats()
            layer.momentum = None  # the mean over all batches
    order = np.random.default_rng(0).permutation(len(store))[: 64 * STEPS]
    with torch.no_grad():
        for faces in face_batches(store, order, backbone.canvas, 64, CPU):
            for shares, net in nets.items():
                net(faces[: len(faces) // shares])
    whole = nets.pop(1)
    for shares, net in nets.items():
        shifts, ratios = [], []
        for layer, expected in zip(bn_layers(net.net).values(), bn_layers(whole.net).values(), strict=True):
            (mean, variance), (expected_mean, expected_variance) = statistics(layer), statistics(expected)
            shifts.append(float(((mean - expected_mean) / expected_variance.sqrt()).abs().mean()))
            ratios.append(float((variance / expected_variance).mean()))
        print(
            f"one of {shares} shares: mean of a layer moves by at most {max(shifts):.3f} standard deviations, variance "
            f"is {min(ratios):.3f} to {max(ratios):.3f} times that of the whole batch"
        )


if __name__ == "__main__":
    compare_statistics(FaceStore(Path(sys.argv[1])))
