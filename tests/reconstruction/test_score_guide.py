from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.membership.attacks import fit_attack
from faceleak.membership.evidence import Evidence
from faceleak.membership.options import AttackOptions
from faceleak.reconstruction.guide import Guide
from faceleak.reconstruction.score_guide import ScoreGuide, make_guide
from faceleak.signals import registry
from faceleak.signals.reading import signal_table

FACES = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def table(backbone, names: list[str]) -> pd.DataFrame:
    readers = [registry.get_reader(name) for name in names]
    return pd.concat(
        [signal_table(one, backbone, one.read(backbone, FACES).detach().numpy()) for one in readers], axis=1
    )


@pytest.fixture
def shifted(tiny_backbone):
    """Another backbone: a reference."""
    other = deepcopy(tiny_backbone)
    other.net.bn1.running_mean.add_(0.5)
    return other


def evidence(backbone, references, names: list[str]) -> Evidence:
    labels = pd.DataFrame({"identity": np.arange(40) % 20, "is_member": np.arange(40) % 20 < 10})
    return Evidence(
        labels,
        table(backbone, names),
        [table(one, names) for one in references],
        np.ones((40, len(references)), bool),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"signals": ["embedding_norm", "bn_distance"]},
        {"signals": ["bn_distance"], "layers": "late"},
        {"signals": ["bn_distance"], "calibration": "difference"},
        {"signals": ["bn_distance"], "model": "quantile", "score": "embedding_norm.norm"},
    ],
)
def test_faces_get_the_score_that_stage_1_would_give_them(tiny_backbone, shifted, options) -> None:
    asked = AttackOptions(**options)
    references = (shifted,) if asked.calibration else ()
    known = evidence(tiny_backbone, references, sorted(asked.signals_read()))
    attack = fit_attack([known], asked)
    guide = make_guide(tiny_backbone, attack, references, takes_gradients=False)
    assert np.allclose(guide.score(FACES).numpy(), attack.score(known), atol=1e-4)
    assert np.ptp(attack.score(known)) > 0.01


def test_a_guide_without_gradients_says_what_one_with_them_says(tiny_backbone) -> None:
    attack = fit_attack([evidence(tiny_backbone, (), ["bn_distance"])], AttackOptions(signals=["bn_distance"]))
    with_gradients, without = (make_guide(tiny_backbone, attack, (), takes) for takes in (True, False))
    assert type(with_gradients) is Guide
    assert isinstance(without, ScoreGuide)
    assert torch.allclose(with_gradients.score(FACES), without.score(FACES), atol=1e-4)
    assert not without.score(FACES.clone().requires_grad_(True)).requires_grad
