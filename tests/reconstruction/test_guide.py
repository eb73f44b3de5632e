from copy import deepcopy

import numpy as np
import pandas as pd
import torch

from faceleak.membership.models import mlp
from faceleak.membership.models.logistic import LogisticModel
from faceleak.reconstruction.guide import Guide
from faceleak.signals import registry

FACES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_score_is_the_attack_model_on_the_signals(tiny_guide: Guide) -> None:
    rows = registry.get_reader("bn_distance").read(tiny_guide.backbone, FACES)
    expected = (rows - 1) @ torch.linspace(-1, 1, rows.shape[1]) + 0.25
    assert torch.allclose(tiny_guide.score(FACES), expected, atol=1e-4)


def test_a_calibrated_attack_reads_its_numbers_beyond_the_mean_of_the_references(tiny_guide: Guide) -> None:
    read = registry.get_reader("bn_distance").read
    others = [deepcopy(tiny_guide.backbone) for _ in range(2)]
    for shift, other in enumerate(others):
        other.net.bn1.running_mean.add_(shift + 1)
    own, usual = read(tiny_guide.backbone, FACES), torch.stack([read(other, FACES) for other in others]).mean(0)
    width = own.shape[1]
    columns, zeros, ones = tuple(map(str, range(2 * width))), (0.0,) * (2 * width), (1.0,) * (2 * width)
    model = LogisticModel(columns, zeros, ones, (0.0,) * width + (1.0,) * width, 0.0, 0.0)
    guide = Guide(tiny_guide.backbone, ("bn_distance",), model, tuple(others))
    assert torch.allclose(guide.score(FACES), (own - usual).sum(1), atol=1e-4)


def test_an_mlp_is_climbed_by_the_score_it_gives() -> None:
    generator = np.random.default_rng(0)
    table = pd.DataFrame(generator.normal(size=(80, 3)), columns=["a", "b", "c"])
    labels = {"identity": np.arange(80) % 20, "is_member": table["a"] > 0}
    model = mlp.fit(table.assign(**labels), ["a", "b", "c"], hidden=4)
    rows = torch.tensor(table.to_numpy(), dtype=torch.float32, requires_grad=True)
    logits = model.logit(rows)
    assert np.allclose(logits.detach().numpy(), model.score(table), atol=1e-4)
    (gradient,) = torch.autograd.grad(logits.sum(), rows)
    assert gradient[:, 0].mean() > 0
