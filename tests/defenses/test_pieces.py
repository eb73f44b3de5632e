from dataclasses import replace

import pytest
import torch

from faceleak.defenses import pieces, registry
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import DefenseError, Owner, OwnFaces
from faceleak.defenses.undoing import registry as undoings
from faceleak.faces.splits import with_role

COLUMNS = ["image_id", "identity", "sha256"]


@pytest.fixture
def loaded(tiny_backbone, demo_store, demo_splits, compute, tmp_path) -> Owner:
    """Owner of a backbone that was not trained here."""
    fresh = compute.model_copy(update={"cache": tmp_path})
    return Owner(tiny_backbone, None, demo_store, with_role(demo_splits, "auxiliary")[COLUMNS], fresh)


@pytest.fixture
def own(loaded) -> OwnFaces:
    return OwnFaces(loaded.store, loaded.public, loaded.compute)


def noisy(strength: float, seed: int = 0) -> VariantOptions:
    return VariantOptions(defense="bn_perturbation", strength=strength, seed=seed)


def test_variants_are_what_their_defence_makes(loaded):
    made = pieces.make_variants(loaded, [noisy(0.2), noisy(0.8)], loaded.compute)
    assert list(made) == ["bn_perturbation_0.2", "bn_perturbation_0.8"]
    for options, variant in zip([noisy(0.2), noisy(0.8)], made.values(), strict=True):
        direct = registry.get("bn_perturbation").defend(loaded, options.checked_settings(), 0)
        assert variant.weights_hash() == direct.weights_hash()


def test_only_what_is_new_is_made(loaded, monkeypatch):
    pieces.make_variants(loaded, [noisy(0.2)], loaded.compute)
    made = []
    monkeypatch.setattr(
        pieces, "make_variant", lambda piece, make=pieces.make_variant: (made.append(piece), make(piece))
    )
    pieces.make_variants(loaded, [noisy(0.2), noisy(0.4)], loaded.compute)
    assert [piece.options.name for piece in made] == ["bn_perturbation_0.4"]


def test_a_variant_depends_on_settings_seed_backbone_and_public_faces_but_not_on_its_name(loaded, tiny_backbone):
    folder = pieces.VariantPiece(loaded, noisy(0.2)).folder
    called = VariantOptions(defense="bn_perturbation", name="mine", strength=0.2)
    assert pieces.VariantPiece(loaded, called).folder == folder
    torch.nn.init.zeros_(tiny_backbone.net.conv1.weight)
    others = [
        pieces.VariantPiece(loaded, noisy(0.3)),
        pieces.VariantPiece(loaded, noisy(0.2, seed=1)),
        pieces.VariantPiece(replace(loaded, public=loaded.public.head(2)), noisy(0.2)),
        pieces.VariantPiece(loaded, noisy(0.2)),  # its backbone is another one now
    ]
    assert len({folder, *(piece.folder for piece in others)}) == 5


def test_views_are_the_variants_and_what_undoing_makes_of_them(loaded, own):
    variants = pieces.make_variants(loaded, [noisy(0.8)], loaded.compute)
    tried = {"bn_perturbation_0.8": ["bn_reestimation"]}
    views = pieces.make_views(variants, tried, own, loaded.compute)
    assert list(views) == ["bn_perturbation_0.8", "bn_perturbation_0.8+bn_reestimation"]
    undone = undoings.get("bn_reestimation").undo(variants["bn_perturbation_0.8"], own)
    assert views["bn_perturbation_0.8+bn_reestimation"].weights_hash() == undone.weights_hash()


def test_an_undoing_is_not_repeated(loaded, own, monkeypatch):
    variants = pieces.make_variants(loaded, [noisy(0.8)], loaded.compute)
    tried = {"bn_perturbation_0.8": ["bn_reestimation"]}
    first = pieces.make_views(variants, tried, own, loaded.compute)

    def refuse(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(undoings.get("bn_reestimation"), "undo", refuse)
    again = pieces.make_views(variants, tried, own, loaded.compute)
    assert {name: view.weights_hash() for name, view in again.items()} == {
        name: view.weights_hash() for name, view in first.items()
    }
    with pytest.raises(AssertionError, match="made again"):
        pieces.make_views(variants, tried, replace(own, images=own.images.head(4)), loaded.compute)


def test_a_loaded_target_cannot_be_trained_again(loaded):
    with pytest.raises(DefenseError, match="target was loaded"):
        loaded.trained_here()
