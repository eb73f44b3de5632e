from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.backbones.embedding import embed
from faceleak.faces.splits import with_role
from faceleak.membership.attacks import fit_attack
from faceleak.membership.inputs import AttackInput, known_images
from faceleak.membership.models import mlp
from faceleak.membership.models.logistic import LogisticModel
from faceleak.membership.options import AttackOptions
from faceleak.reconstruction.scorer import ScoreOnlyScorer, Scorer, fit_scorer, make_scorer, untrained
from faceleak.signals import registry
from faceleak.signals.reading import signal_table

FACES = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_the_score_is_the_attack_model_on_the_signals(tiny_scorer: Scorer) -> None:
    rows = registry.get_reader("bn_distance").read(tiny_scorer.backbone, FACES)
    expected = (rows - 1) @ torch.linspace(-1, 1, rows.shape[1]) + 0.25
    assert torch.allclose(tiny_scorer.score(FACES), expected, atol=1e-4)


def test_a_calibrated_attack_reads_its_numbers_beyond_the_mean_of_the_references(tiny_scorer: Scorer) -> None:
    read = registry.get_reader("bn_distance").read
    others = [deepcopy(tiny_scorer.backbone) for _ in range(2)]
    for shift, other in enumerate(others):
        other.net.bn1.running_mean.add_(shift + 1)
    own, usual = read(tiny_scorer.backbone, FACES), torch.stack([read(other, FACES) for other in others]).mean(0)
    width = own.shape[1]
    columns, zeros, ones = tuple(map(str, range(2 * width))), (0.0,) * (2 * width), (1.0,) * (2 * width)
    model = LogisticModel(columns, zeros, ones, (0.0,) * width + (1.0,) * width, 0.0, 0.0)
    scorer = Scorer(tiny_scorer.backbone, ("bn_distance",), model, tuple(others))
    assert torch.allclose(scorer.score(FACES), (own - usual).sum(1), atol=1e-4)


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


SCORED_FACES = torch.rand(40, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def table(backbone, names: list[str]) -> pd.DataFrame:
    readers = [registry.get_reader(name) for name in names]
    return pd.concat(
        [signal_table(one, backbone, one.read(backbone, SCORED_FACES).detach().numpy()) for one in readers], axis=1
    )


@pytest.fixture
def shifted(tiny_backbone):
    """Another backbone: a reference."""
    other = deepcopy(tiny_backbone)
    other.net.bn1.running_mean.add_(0.5)
    return other


def inputs(backbone, references, names: list[str]) -> AttackInput:
    labels = pd.DataFrame({"identity": np.arange(40) % 20, "is_member": np.arange(40) % 20 < 10})
    return AttackInput(
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
    known = inputs(tiny_backbone, references, sorted(asked.signals_read()))
    attack = fit_attack([known], asked)
    scorer = make_scorer(tiny_backbone, attack, references, takes_gradients=False)
    assert np.allclose(scorer.score(SCORED_FACES).numpy(), attack.score(known), atol=1e-4)
    assert np.ptp(attack.score(known)) > 0.01


def test_a_guide_without_gradients_says_what_one_with_them_says(tiny_backbone) -> None:
    attack = fit_attack([inputs(tiny_backbone, (), ["bn_distance"])], AttackOptions(signals=["bn_distance"]))
    with_gradients, without = (make_scorer(tiny_backbone, attack, (), takes) for takes in (True, False))
    assert type(with_gradients) is Scorer
    assert isinstance(without, ScoreOnlyScorer)
    assert torch.allclose(with_gradients.score(SCORED_FACES), without.score(SCORED_FACES), atol=1e-4)
    assert not without.score(SCORED_FACES.clone().requires_grad_(True)).requires_grad


@pytest.fixture
def public(demo_splits) -> list[str]:
    return with_role(demo_splits, "auxiliary")["image_id"].tolist()


def test_nothing_of_the_target_is_left(tiny_backbone, demo_store, public, compute) -> None:
    before = tiny_backbone.weights_hash()
    fresh = untrained(tiny_backbone, demo_store, public, 3, compute)
    assert tiny_backbone.weights_hash() == before
    with torch.no_grad():
        for tensor in tiny_backbone.net.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(1)  # another target of the same architecture
    again = untrained(tiny_backbone, demo_store, public, 3, compute)
    assert again.weights_hash() == fresh.weights_hash() != before
    assert untrained(tiny_backbone, demo_store, public, 4, compute).weights_hash() != fresh.weights_hash()


def test_it_tells_faces_apart_as_a_fresh_network_does(tiny_backbone, demo_store, public, compute) -> None:
    fresh = untrained(tiny_backbone, demo_store, public, 0, compute)
    embeddings = embed(fresh, demo_store, public, compute)
    assert np.isfinite(embeddings).all()
    assert embeddings.std(axis=0).min() > 0


def test_the_attack_is_fitted_on_the_known_images(tiny_backbone, demo_store, demo_splits, public, compute) -> None:
    fresh = untrained(tiny_backbone, demo_store, public, 0, compute)
    images = known_images(demo_splits)
    scorer = fit_scorer(fresh, [], demo_store, images, AttackOptions(signals=["bn_distance"]), compute, "adam")
    assert scorer.backbone is fresh
    assert scorer.signals == ("bn_distance",)
    swapped = images.assign(is_member=~images["is_member"])
    other = fit_scorer(fresh, [], demo_store, swapped, AttackOptions(signals=["bn_distance"]), compute, "adam")
    assert np.allclose(other.model.weights, -np.array(scorer.model.weights), atol=1e-3)
