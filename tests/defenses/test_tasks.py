from dataclasses import replace

import pytest
import torch

from faceleak.backbones.head import Head
from faceleak.bypasses import OwnFaces
from faceleak.bypasses import registry as bypasses
from faceleak.defenses import registry, tasks
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import DefenseError, Owner
from faceleak.faces.splits import with_role
from faceleak.membership.attackers import View
from faceleak.work import closure
from faceleak.work.tasks import code_version
from tests.defenses.test_every_defense import SETTINGS

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


def test_variants_are_what_their_defense_makes(loaded):
    made = tasks.make_variants(loaded, [noisy(0.2), noisy(0.8)], loaded.compute)
    assert list(made) == ["bn_perturbation_0.2", "bn_perturbation_0.8"]
    for options, variant in zip([noisy(0.2), noisy(0.8)], made.values(), strict=True):
        direct = registry.get("bn_perturbation").defend(loaded, options.checked_settings(), 0)
        assert variant.weights_hash() == direct.weights_hash()


def test_only_what_is_new_is_made(loaded, monkeypatch):
    tasks.make_variants(loaded, [noisy(0.2)], loaded.compute)
    made = []
    monkeypatch.setattr(tasks, "make_variant", lambda task, make=tasks.make_variant: (made.append(task), make(task)))
    tasks.make_variants(loaded, [noisy(0.2), noisy(0.4)], loaded.compute)
    assert [task.options.name for task in made] == ["bn_perturbation_0.4"]


def test_a_variant_depends_on_settings_seed_backbone_and_public_faces_but_not_on_its_name(loaded, tiny_backbone):
    folder = tasks.VariantTask(loaded, noisy(0.2)).folder
    called = VariantOptions(defense="bn_perturbation", name="mine", strength=0.2)
    assert tasks.VariantTask(loaded, called).folder == folder
    torch.nn.init.zeros_(tiny_backbone.net.conv1.weight)
    others = [
        tasks.VariantTask(loaded, noisy(0.3)),
        tasks.VariantTask(loaded, noisy(0.2, seed=1)),
        tasks.VariantTask(replace(loaded, public=loaded.public.head(2)), noisy(0.2)),
        tasks.VariantTask(loaded, noisy(0.2)),  # its backbone is another one now
    ]
    assert len({folder, *(task.folder for task in others)}) == 5


def test_views_are_the_variants_and_what_bypass_makes_of_them(loaded, own):
    variants = tasks.make_variants(loaded, [noisy(0.8)], loaded.compute)
    tried = {"bn_perturbation_0.8": ["bn_reestimation"]}
    views = tasks.make_views(variants, tried, own, loaded.compute)
    assert list(views) == [View("bn_perturbation_0.8"), View("bn_perturbation_0.8", "bn_reestimation")]
    bypassed = bypasses.get("bn_reestimation").bypass(variants["bn_perturbation_0.8"], own)
    assert views[View("bn_perturbation_0.8", "bn_reestimation")].weights_hash() == bypassed.weights_hash()


def test_a_bypass_is_not_repeated(loaded, own, monkeypatch):
    variants = tasks.make_variants(loaded, [noisy(0.8)], loaded.compute)
    tried = {"bn_perturbation_0.8": ["bn_reestimation"]}
    first = tasks.make_views(variants, tried, own, loaded.compute)

    def refuse(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(bypasses.get("bn_reestimation"), "bypass", refuse)
    again = tasks.make_views(variants, tried, own, loaded.compute)
    assert {name: view.weights_hash() for name, view in again.items()} == {
        name: view.weights_hash() for name, view in first.items()
    }
    with pytest.raises(AssertionError, match="made again"):
        tasks.make_views(variants, tried, replace(own, images=own.images.head(4)), loaded.compute)


def test_a_loaded_target_cannot_be_trained_again(loaded):
    with pytest.raises(DefenseError, match="target was loaded"):
        loaded.trained_here()


def test_the_same_weights_in_another_network_or_with_another_head_are_defended_anew(loaded, own, tiny_backbone):
    def named() -> tuple[object, object]:
        return (
            tasks.VariantTask(loaded, noisy(0.2)).folder,
            tasks.ViewTask(tiny_backbone, "bn_reestimation", own).folder,
        )

    seen = [named()]
    tiny_backbone.net.bn1.eps = 2e-5
    seen.append(named())
    for scale in (8.0, 16.0):
        tiny_backbone.head = Head(torch.zeros(2, 16), ("anna", "bert"), scale)
        seen.append(named())
    assert all(len(set(folders)) == 4 for folders in zip(*seen, strict=True))


@pytest.mark.parametrize("module", ["defenses.bn_perturbation", "faces.images", "backbones.iresnet"])
def test_a_variant_is_made_anew_once_its_code_has_changed(module, loaded, edited):
    before = tasks.VariantTask(loaded, noisy(0.2)).folder
    edited(f"faceleak.{module}")
    assert tasks.VariantTask(loaded, noisy(0.2)).folder != before


def test_a_defense_of_the_users_own_is_followed_into_its_package(loaded, tmp_path, monkeypatch):
    folder = tmp_path / "my_defenses"
    folder.mkdir()
    (folder / "quiet.py").write_text(
        "from faceleak.common.options import Options\nfrom my_defenses.helping import factor\nBYPASSES = ()\n"
        "class Settings(Options): pass\ndef defend(owner, settings, seed): return owner.backbone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    folders = []
    for text in ("factor = 1\n", "factor = 2\n", "factor = 1  # again\n"):
        (folder / "helping.py").write_text(text)
        closure._read.cache_clear()
        code_version.cache_clear()
        folders.append(tasks.VariantTask(loaded, VariantOptions(defense="my_defenses.quiet")).folder)
    assert folders[0] == folders[2] != folders[1]


@pytest.mark.parametrize("name", SETTINGS)
def test_no_code_runs_in_a_defense_that_is_not_in_the_key(name, owner, tmp_path, not_in_keys):
    compute = owner.compute.model_copy(update={"cache": tmp_path})
    training = replace(owner.training, cache=tmp_path / "backbones", compute=compute)
    fresh = replace(owner, compute=compute, training=training)
    options = VariantOptions(defense=name.partition(" ")[0], **SETTINGS[name])
    not_kept = {"faceleak.defenses.tasks", "faceleak.defenses.options"}
    assert not_in_keys(lambda: tasks.make_variants(fresh, [options], compute)) - not_kept == set()


@pytest.mark.parametrize("name", [name for name in bypasses.names() if bypasses.get(name).IS_A_BACKBONE])
def test_no_code_runs_in_a_bypass_that_is_not_in_the_key(name, owner, own, tmp_path, not_in_keys):
    fresh = replace(own, compute=own.compute.model_copy(update={"cache": tmp_path}))
    released = registry.get("embedding_noise" if name == "bn_insertion" else "bn_perturbation")
    released = released.defend(owner, released.Settings(strength=0.1), 0)
    not_kept = {"faceleak.defenses.tasks"}
    task = tasks.ViewTask(released, name, fresh)
    assert not_in_keys(lambda: tasks.bypass_all({"a": task}, fresh.compute)) - not_kept == set()


def test_nobody_reestimates_the_statistics_of_a_backbone_that_has_none(owner_of, own):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 16))
    loaded = owner_of(net)
    tried = {"undefended": ("bn_reestimation", "averaging")}
    views = tasks.make_views({"undefended": loaded.backbone}, tried, own, loaded.compute)
    assert list(views) == [View("undefended"), View("undefended", "averaging")]
