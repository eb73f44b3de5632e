"""What several processes change in a backbone: `python -m benchmarks.data_parallel STORE`, a packed store of faces.

Trains `iresnet_tiny` in one process, in one with three threads, and in two; then compares the BN statistics of a share
of each batch with those of the whole. 30 seconds of CPU time.
"""

import sys
import tempfile
import time
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import bn_layers, statistics
from faceleak.backbones.faces_input import face_batches
from faceleak.backbones.loading import load_backbone
from faceleak.backbones.training import TrainingPiece, train
from faceleak.backbones.training_options import TrainingOptions
from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore

CPU = torch.device("cpu")
PEOPLE, IMAGES_EACH, STEPS = 8, 6, 40
WAYS = {"1 process": (1, 1), "1 process, 3 threads": (1, 3), "2 processes": (2, 1)}


def trained(store: FaceStore, learning_rate: float, processes: int, threads: int) -> Backbone:
    """A backbone after twelve steps."""
    images = store.manifest().groupby("identity").head(IMAGES_EACH).head(PEOPLE * IMAGES_EACH)
    options = TrainingOptions(
        architecture="iresnet_tiny",
        image_size=32,
        embedding_size=16,
        epochs=2,
        batch_size=8,
        learning_rate=learning_rate,
        margin=0.3,
        scale=16,
    )
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        compute = ComputeOptions(
            device="cpu", precision="float32", threads=threads, training_processes=processes, cache=cache
        )
        piece = TrainingPiece("backbone", store, images, options, compute, cache)
        train(piece)
        return load_backbone(piece.folder)


def compare_trainings(store: FaceStore) -> None:
    """Print losses, and how far weights lie from those of one process."""
    for learning_rate in (0.05, 0.005):
        expected = None
        for way, (processes, threads) in WAYS.items():
            started = time.perf_counter()
            backbone = trained(store, learning_rate, processes, threads)
            seconds = time.perf_counter() - started
            expected = expected or backbone
            farthest = max(
                float(((backbone.net.get_parameter(name) - weight).norm() / weight.norm()).detach())
                for name, weight in expected.net.named_parameters()
                if name.endswith("weight")
            )
            losses = ", ".join(f"{loss:.5g}" for loss in backbone.card.training["losses"])
            print(f"{learning_rate:6} {way:21} losses {losses}; weights differ by {farthest:.2g}; {seconds:.1f} s")


def compare_statistics(store: FaceStore) -> None:
    """Print how far BN statistics of the first share of each batch lie from those of the whole batch."""
    backbone = trained(store, 0.05, 1, 1)
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
    of_faces = FaceStore(Path(sys.argv[1]))
    compare_trainings(of_faces)
    compare_statistics(of_faces)
