"""Nodes of the defense pipeline on tiny references: which shadows are defended, and what they then teach."""

import pandas as pd
import pytest

from faceleak.auditing.membership import read_reference_signals, split_references, train_references
from faceleak.defenses.options import DefenseOptions
from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import split
from faceleak.faces.store import FaceStore
from faceleak.membership import inputs
from faceleak.membership.attacks import fit_attack
from faceleak.membership.options import MembershipOptions
from faceleak.pipelines.defense.nodes import fit_shadows
from faceleak.work.compute import ComputeOptions, single_threaded

TINY = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 8}
MEMBERSHIP = MembershipOptions(
    threat_models=["partial_knowledge"],
    attacks={"bn_distance": {"signals": ["bn_distance"]}, "norm": {"signals": ["embedding_norm"]}},
    references={"count": 2, "training": TINY},
)
DEFENSE = DefenseOptions(
    variants=[
        {"defense": "bn_perturbation", "strength": 0},
        {"defense": "bn_perturbation", "strength": 0.8},
        {"defense": "bn_folding"},
    ],
    attackers=["static", "refitted", "adaptive"],
    threat_models=["partial_knowledge", "shadow"],
)


@pytest.fixture(scope="module")
def splits(demo_store: FaceStore) -> pd.DataFrame:
    """12 people, half of them auxiliary."""
    people = {"member": 2, "unseen_identity": 2, "auxiliary": 6, "public": 2}
    roles = {role: RoleOptions(people=number) for role, number in people.items()}
    return split(demo_store.manifest(), SplitOptions(roles=roles))


@pytest.fixture(scope="module")
def tables(demo_store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions) -> tuple:
    """References and all else that `fit_shadows` takes before its options."""
    with single_threaded():
        of_references = split_references(splits, MEMBERSHIP)
        references = train_references(demo_store, of_references, MEMBERSHIP, compute)
        signals = read_reference_signals(references, demo_store, splits, of_references, MEMBERSHIP, compute)
        return references, signals, demo_store, splits, of_references, MEMBERSHIP


@pytest.mark.parametrize("changes", [{"threat_models": ["partial_knowledge"]}, {"attackers": ["static"]}])
def test_no_shadow_is_defended_for_attackers_who_do_not_use_it(
    changes: dict, tables: tuple, compute: ComputeOptions
) -> None:
    assert fit_shadows(*tables, DEFENSE.model_copy(update=changes), compute) == {}


def test_shadows_teach_on_every_view_what_they_show_there(tables: tuple, compute: ComputeOptions) -> None:
    with single_threaded():
        fitted = fit_shadows(*tables, DEFENSE, compute)
    released = ["undefended", "bn_perturbation_0", "bn_perturbation_0.8", "bn_folding"]
    bypassed = [f"{name}+bn_reestimation" for name in released[:-1]] + ["bn_folding+bn_insertion"]
    assert set(fitted) == {*released, *bypassed}
    distance, norm = ("bn_distance", "shadow"), ("norm", "shadow")
    assert {view for view, attacks in fitted.items() if distance not in attacks} == {"bn_folding"}
    assert all(norm in fitted[view] for view in released)
    assert not any(norm in fitted[view] for view in bypassed)  # who reads embeddings does not hold the weights

    plain = fit_attack(inputs.of_references(tables[1]), MEMBERSHIP.attacks["bn_distance"])
    models = {view: attacks[distance].model for view, attacks in fitted.items() if distance in attacks}
    assert models["undefended"] == models["bn_perturbation_0"] == plain.model
    assert models["bn_perturbation_0.8"] != plain.model
    assert models["bn_perturbation_0+bn_reestimation"] == models["undefended+bn_reestimation"] != plain.model


def test_an_attacker_who_bypasses_nothing_has_no_bypassed_shadows(tables: tuple, compute: ComputeOptions) -> None:
    refitted = DEFENSE.model_copy(update={"attackers": ["static", "refitted"]})
    with single_threaded():
        fitted = fit_shadows(*tables, refitted, compute)
    assert set(fitted) == {"undefended", "bn_perturbation_0", "bn_perturbation_0.8", "bn_folding"}
