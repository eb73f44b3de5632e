from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from faceleak.backbones.batch_norm import bn_layers
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.bypasses import OwnFaces
from faceleak.bypasses import registry as bypasses
from faceleak.defenses import registry, shadows
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner
from faceleak.faces.splits import with_role
from tests.defenses.conftest import COLUMNS, OPTIONS

NOTHING = VariantOptions(defense="bn_perturbation", strength=0)
NOISE = VariantOptions(defense="bn_perturbation", strength=0.8)
AGAIN = VariantOptions(defense="retraining", name="early_stopping", epochs=1)


@pytest.fixture
def references(demo_splits, owner, tmp_path) -> dict[str, Owner]:
    """Two references of the attacker's, each trained on two of its people, with a cache of this test alone."""
    images = with_role(demo_splits, "auxiliary")[COLUMNS]
    people = images["identity"].unique()
    return {
        f"reference_{number}": owner_of_reference(
            TrainingTask(
                f"reference_{number}",
                owner.store,
                images[images["identity"].isin(people[number : number + 2])],
                OPTIONS.model_copy(update={"seed": 1000 + number}),
                owner.compute,
                owner.compute.cache / "backbones",
            ),
            owner,
            tmp_path,
        )
        for number in range(2)
    }


def owner_of_reference(task: TrainingTask, owner: Owner, cache) -> Owner:
    compute = owner.compute.model_copy(update={"cache": cache})
    return Owner(train_backbones([task], owner.compute)[0], task, owner.store, owner.public, compute)


@pytest.fixture
def public(owner, tmp_path) -> OwnFaces:
    return OwnFaces(owner.store, owner.public, owner.compute.model_copy(update={"cache": tmp_path}))


def views(references, public, variants: Sequence[VariantOptions], tried=None) -> dict:
    seen = shadows.shadow_views(references, variants, tried or {}, public, public.compute)
    return {view.name: of_reference for view, of_reference in seen}


def test_without_strength_shadows_are_the_references_to_the_bit(references, public):
    seen = views(references, public, [NOTHING])
    assert list(seen) == ["undefended", "bn_perturbation_0"]
    for of_reference in seen.values():
        hashes = {name: backbone.weights_hash() for name, backbone in of_reference.items()}
        assert hashes == {name: owner.backbone.weights_hash() for name, owner in references.items()}


def test_the_noise_of_a_shadow_is_its_own_and_not_that_of_the_target(references, public, owner):
    of_reference = views(references, public, [NOISE])["bn_perturbation_0.8"]
    noises = [
        (first_mean(shadow) - first_mean(references[name].backbone)) / first_variance(references[name].backbone).sqrt()
        for name, shadow in of_reference.items()
    ]
    target = registry.get("bn_perturbation").defend(owner, NOISE.checked_settings(), NOISE.seed)
    noises.append((first_mean(target) - first_mean(owner.backbone)) / first_variance(owner.backbone).sqrt())
    for number, noise in enumerate(noises):
        assert noise.abs().max() > 0.1
        assert all(not torch.allclose(noise, other, atol=0.05) for other in noises[:number])


def first_mean(backbone) -> torch.Tensor:
    return next(iter(bn_layers(backbone.net).values())).running_mean


def first_variance(backbone) -> torch.Tensor:
    return next(iter(bn_layers(backbone.net).values())).running_var


def test_a_defense_that_trains_again_trains_each_reference_on_its_own_people(references, public):
    seen = views(references, public, [AGAIN])["early_stopping"]
    for name, shadow in seen.items():
        training = references[name].training
        assert shadow.card.training["data_hash"] == training.data_hash
        assert shadow.card.training["epochs"] == 1
        assert shadow.card.training["seed"] != training.options.seed
    assert len({shadow.weights_hash() for shadow in seen.values()}) == 2


def test_every_view_of_the_target_is_one_of_the_shadows_bypassed_on_public_faces(references, public):
    tried = {"undefended": ("bn_reestimation",), "bn_perturbation_0.8": ("bn_reestimation",)}
    seen = views(references, public, [NOISE], tried)
    assert list(seen) == [f"{name}{bypassed}" for name in tried for bypassed in ("", "+bn_reestimation")]
    for name, released in seen["bn_perturbation_0.8"].items():
        bypassed = bypasses.get("bn_reestimation").bypass(released, public)
        assert seen["bn_perturbation_0.8+bn_reestimation"][name].weights_hash() == bypassed.weights_hash()


def test_only_shadows_of_what_changed_are_made_again(references, public, monkeypatch):
    tried = {"bn_perturbation_0.8": ("bn_reestimation",)}
    before = views(references, public, [NOISE], tried)
    made = []
    monkeypatch.setattr(shadows, "make_shadow", lambda task, make=shadows.make_shadow: (made.append(task), make(task)))
    monkeypatch.setattr(bypasses.get("bn_reestimation"), "bypass", lambda *_: pytest.fail("bypassed again"))
    after = views(references, public, [NOISE, NOTHING], tried)
    assert [task.options.name for task in made] == ["bn_perturbation_0"] * 2
    for view, of_reference in before.items():
        for name, shadow in of_reference.items():
            assert after[view][name].weights_hash() == shadow.weights_hash()


def test_what_cannot_be_done_to_a_reference_is_told_with_the_variant_and_the_way_out(references, public):
    folded = registry.get("bn_folding").defend(references["reference_1"], VariantOptions(defense="bn_folding"), 0)
    mixed = {**references, "reference_1": replace(references["reference_1"], backbone=folded)}
    expected = r"reference_1 cannot be defended as bn_perturbation_0\.8: .* take `shadow` out of defense\.threat_models"
    with pytest.raises(shadows.ShadowError, match=expected):
        views(mixed, public, [NOISE])
    too_few = replace(public, images=public.images.head(1))
    with pytest.raises(
        shadows.ShadowError, match=r"as bn_perturbation_0\.8 cannot be bypassed on public faces: .* 1 faces"
    ):
        views(references, too_few, [NOISE], {"bn_perturbation_0.8": ("bn_reestimation",)})


def test_too_few_people_of_a_reference_to_train_again_on_are_told(references, public):
    few = references["reference_0"].training
    few = replace(few, images=few.images.head(4))
    mixed = {"reference_0": replace(references["reference_0"], training=few)}
    with pytest.raises(shadows.ShadowError, match="reference_0 with epochs 1 cannot be trained on 4 images"):
        views(mixed, public, [AGAIN])
