"""Attacks on real targets whose answer is known: no leak where nothing can have leaked, a clear one where all has.

Under each null, members and non-members are drawn alike, so that the AUC is 0.5 in expectation, whatever an attack
does. Some three hundred intervals are looked at, so their level is 99.98 %: of one draw in twenty or so one would miss.
Nothing is drawn anew from run to run, but training makes rounding grow, so that each processor has a draw of its own.
What misses therefore has to miss again in a second draw, where a leak would show as well.
"""

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import reestimate
from faceleak.backbones.embedding import embed
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.bypasses import OwnFaces
from faceleak.defenses.bn_perturbation import Settings, defend
from faceleak.defenses.options import VariantOptions
from faceleak.defenses.owner import Owner
from faceleak.defenses.shadows import shadow_views
from faceleak.defenses.tasks import make_variants, make_views
from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions, RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.faces.store import Face, FaceStore, pack, sha256_of
from faceleak.membership.attackers import TARGET_VIEW, UNDEFENDED, VIEW, AttackerName, View
from faceleak.membership.attacks import Attack
from faceleak.membership.fitting import fit_attacks, fit_on_shadows
from faceleak.membership.options import (
    AttackOptions,
    BlindOptions,
    MembershipOptions,
    ReferenceOptions,
    ThreatModel,
)
from faceleak.membership.references import split_references
from faceleak.membership.repeats import draw_targets, training_images
from faceleak.membership.scoring import Attacks, score_blind, score_images
from faceleak.membership.stacking import parts, stack
from faceleak.membership.view_signals import beside_images
from faceleak.metrics.membership import MEMBER, POPULATIONS, estimators_of, measure_membership, measure_rows
from faceleak.metrics.options import BootstrapOptions
from faceleak.metrics.verification import cosine_similarities, sample_pairs, verification_metrics
from faceleak.reporting.verdict import read_membership
from faceleak.signals.reading import read_signals
from faceleak.work.compute import ComputeOptions, single_threaded
from tests.conftest import made_once

SPLITS = SplitOptions(
    roles={
        "member": RoleOptions(people=100, minimum_images=4),
        "unseen_identity": RoleOptions(people=100),
        "auxiliary": RoleOptions(people=80),
        "public": RoleOptions(people=20),
    }
)
# 200 images of 100 people for 45 epochs: the target learns them by heart
TRAINING = TrainingOptions(
    architecture="iresnet_demo",
    image_size=32,
    embedding_size=64,
    epochs=45,
    batch_size=32,
    learning_rate=0.2,
    margin=0.5,
    scale=64,
    horizontal_flip=False,
)
REFERENCES = ReferenceOptions(count=4, training=TRAINING.model_copy(update={"seed": 1000}))
SIMPLE = (
    "bn_distance",
    "bn_moments",
    "part_crop",
    "augmentation_similarity",
    "anchor_similarity",
    "reference_similarity",
    "embedding_norm",
    "head_loss",
)
SCALAR = ["bn_moments", "reference_similarity"]
ATTACKS = (
    {name: AttackOptions(signals=[name]) for name in SIMPLE}
    | {
        "activation": AttackOptions(signals=["activation"], model="mlp"),
        "activation_map": AttackOptions(signals=["activation_map"], model="cnn"),
        "quantile": AttackOptions(signals=["pixel_statistics"], model="quantile", score="reference_similarity.mean"),
        "fused": AttackOptions(signals=SCALAR, calibration="features"),
    }
    | {name: AttackOptions(signals=SCALAR, calibration=name) for name in ("difference", "lira", "rmia", "bavaria")}
)
WEAK = {"activation", "activation_map", "anchor_similarity", "part_crop"}  # little to see in so small a net


def read_by(attacks: dict[str, AttackOptions]) -> list[str]:
    return sorted({signal for attack in attacks.values() for signal in attack.signals_read()})


SIGNALS = read_by(ATTACKS)
# off backbones that only calibrate: what calibrated attacks and the blind baseline take of them
CALIBRATING = sorted(
    {
        *read_by({name: attack for name, attack in ATTACKS.items() if attack.calibration}),
        *BlindOptions().reference_signals,
    }
)
ANSWERS = len(ATTACKS) * 4  # two threat models, two populations
# against targets that other targets, trained on some of the same people, serve as references
ONLINE = {
    f"{name}_online": AttackOptions(signals=SCALAR, calibration=name, online=True)
    for name in ("lira", "rmia", "bavaria")
}
TARGETS = 4
STRONG = ("reference_similarity", "fused", "lira", "rmia", "bavaria", "head_loss")
FLOORS = {  # AUC by which an overfitted target has to give itself away
    "bn_moments": {"unseen_identity": 0.85, "same_identity": 0.5},
    **{key: {"unseen_identity": 0.97, "same_identity": 0.8} for key in STRONG},
    **{key: {"unseen_identity": 0.95, "same_identity": 0.8} for key in ONLINE},
}
THREAT_MODELS: tuple[ThreatModel, ...] = ("partial_knowledge", "shadow")
BOOTSTRAP = BootstrapOptions(resamples=4000, level=0.9998)


class World:
    """Demo faces, their splits, and backbones trained on some of them."""

    def __init__(self, folder: Path) -> None:
        self.compute = ComputeOptions(device="cpu", precision="float32", workers=1, cache=folder)
        pack(DemoFaces(DemoOptions(people=300, images_per_person=4), self.compute), folder / "faces.arrow")
        self.store = FaceStore(folder / "faces.arrow")
        self.splits = split(self.store.manifest(), SPLITS)
        self.reference_images = split_references(self.splits, REFERENCES)
        self.evaluated = with_role(self.splits, *EVALUATED_ROLES)
        self.target = self.train(with_role(self.splits, "member"), TRAINING)
        of_reference = dict(tuple(self.reference_images.groupby("reference", sort=False)))
        self.references = {
            name: self.train(images[images["is_member"]], TRAINING.model_copy(update={"seed": 1000 + number}))
            for number, (name, images) in enumerate(of_reference.items())
        }
        self.reference = self.references["reference_0"]
        self.reference_signals = pd.concat(
            images.merge(self.read(self.references[name], images), on="image_id")
            for name, images in of_reference.items()
        )
        self.calibration_signals = pd.concat(
            self.read(backbone, self.evaluated, CALIBRATING).assign(reference=name)
            for name, backbone in self.references.items()
        )
        targets = draw_targets(self.store.manifest(), self.splits, SPLITS, TARGETS)
        self.trained_on = training_images(targets[targets["target"] != "target_0"])
        self.online_signals = pd.concat(
            self.read(self.train(with_role(splits, "member"), TRAINING), self.evaluated, read_by(ONLINE)).assign(
                reference=name
            )
            for name, splits in parts(targets, "target").items()
            if name != "target_0"
        )
        self.taught: dict[bool, dict[str, Attack]] = {}  # by references as they are: the same whatever is attacked

    def train(self, images: pd.DataFrame, options: TrainingOptions) -> Backbone:
        task = TrainingTask("known answer", self.store, images, options, self.compute, self.compute.cache)
        return train_backbones([task], self.compute)[0]

    def untrained(self, seed: int = 0) -> Backbone:
        return self.train(self.evaluated, TRAINING.model_copy(update={"epochs": 0, "seed": seed}))

    def read(self, backbone: Backbone, images: pd.DataFrame, names: Sequence[str] = SIGNALS) -> pd.DataFrame:
        return read_signals(names, backbone, self.store, images, self.compute, with_role(self.splits, "public"))

    def owner_of(self, backbone: Backbone) -> Owner:
        return Owner(backbone, None, self.store, with_role(self.splits, "public"), self.compute)

    def shadow_models(
        self, variants: Sequence[VariantOptions], tried: dict[str, tuple[str, ...]], attacks: dict[str, AttackOptions]
    ) -> Attacks:
        """What references teach that were defended and bypassed as the variants: view → attack → fitted."""
        owners = {name: self.owner_of(backbone) for name, backbone in self.references.items()}
        own = OwnFaces(self.store, with_role(self.splits, "public"), self.compute)
        images = dict(tuple(self.reference_images.groupby("reference", sort=False)))
        models = {}
        for view, backbones in shadow_views(owners, variants, tried, own, self.compute):
            tables = {name: self.read(backbone, images[name], read_by(attacks)) for name, backbone in backbones.items()}
            shown = stack(tables, "reference")
            several = bool(tried.get(view.variant))
            models[view.name] = fit_on_shadows(
                view, shown, self.reference_signals, attacks, several, self.compute.cache
            )
        return models

    def attack(
        self,
        views: dict[View, Backbone],
        attacker: AttackerName = "plain",
        splits: pd.DataFrame | None = None,
        threat_models: Sequence[ThreatModel] = THREAT_MODELS,
        attacks: dict[str, AttackOptions] | None = None,
        online: bool = False,
        shadow_models: Attacks | None = None,
    ) -> dict[tuple[str, ...], dict[str, float]]:
        """Attack every variant: variant, attack, threat model and population → metrics."""
        splits = self.splits if splits is None else splits
        attacks = attacks or (ONLINE if online else ATTACKS)
        tables = {view: self.read(backbone, self.evaluated, read_by(attacks)) for view, backbone in views.items()}
        signals = stack(tables, *VIEW)
        references, trained_on = (self.online_signals, self.trained_on) if online else (self.calibration_signals, None)
        known = self.reference_signals, references, splits
        if shadow_models is None and "shadow" in threat_models:
            if online not in self.taught:
                by_model = fit_attacks(signals, *known, attacks, ["shadow"], trained_on)[TARGET_VIEW.name]
                self.taught[online] = by_model
            shadow_models = {TARGET_VIEW.name: self.taught[online]}
        models = fit_attacks(signals, *known, attacks, threat_models, trained_on, shadow_models=shadow_models)
        scores = score_images(signals, references, models, splits, [attacker], trained_on)
        return {
            (*names, population): area_of(rows[rows["population"].isin([MEMBER, population])])
            for names, rows in scores.groupby(["variant", "attack", "threat_model"])
            for population in POPULATIONS
        }

    def utility(self, backbone: Backbone) -> float:
        """Verification AUC on people whom the target was not trained on."""
        people = with_role(self.splits, "unseen_identity")
        identities = people["identity"].to_numpy()
        first, second = sample_pairs(identities, 20_000, 0)
        similarity = cosine_similarities(embed(backbone, self.store, people["image_id"], self.compute), first, second)
        return verification_metrics(identities[first] == identities[second], similarity)["verification_auc"]


def area_of(scores: pd.DataFrame) -> dict[str, float]:
    """The AUC and its interval as `measure_membership` gives them, without all else that it resamples."""
    is_member = scores["is_member"].to_numpy(bool)
    area = {"auc": estimators_of(scores["score"].to_numpy(float), is_member)["auc"]}
    return measure_rows(scores["identity"].to_numpy(), is_member, area, BOOTSTRAP)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Trained once, also where several workers run the tests."""
    with made_once(tmp_path_factory, "known_answers") as folder, single_threaded():
        return World(folder)


@pytest.fixture(autouse=True)
def one_thread():
    """Let torch use one thread, so that the number of cores changes no answer."""
    with single_threaded():
        yield


Results = dict[tuple[str, ...], dict[str, float]]


def assert_chance(draw: Callable[[int], Results], number: int) -> None:
    """All `number` intervals hold 0.5, and are narrow enough to exclude what an overfitted target gives away.

    draw: number of a draw → results. Those that miss 0.5 in the first draw are looked at in the second.
    """
    results = draw(0)
    assert len(results) == number
    assert not {n: m for n, m in results.items() if m["auc_ci_high"] - m["auc_ci_low"] > 0.45}
    if off := missed(results):
        again = missed(draw(1))
        assert not {names: (metrics, again[names]) for names, metrics in off.items() if names in again}


def missed(results: Results) -> Results:
    return {n: m for n, m in results.items() if not m["auc_ci_low"] <= 0.5 <= m["auc_ci_high"]}


ONLINE_OR_NOT = pytest.mark.parametrize(("online", "number"), [(False, ANSWERS), (True, len(ONLINE) * 4)])


@ONLINE_OR_NOT
def test_an_untrained_target_gives_nobody_away(online, number, world):
    assert_chance(lambda draw: world.attack({TARGET_VIEW: world.untrained(draw)}, online=online), number)


@ONLINE_OR_NOT
def test_a_target_trained_on_other_people_gives_nobody_away(online, number, world):
    others = list(world.references.values())  # none learnt from people who are judged
    assert_chance(lambda draw: world.attack({TARGET_VIEW: others[draw]}, online=online), number)


@ONLINE_OR_NOT
@pytest.mark.parametrize("seed", [1, 2])
def test_shuffled_labels_give_nobody_away(seed, online, number, world):
    assert_chance(lambda draw: with_shuffled_labels(world, seed + 10 * draw, online), number)


def with_shuffled_labels(world: World, seed: int, online: bool) -> Results:
    # who is called a member, known or unseen is drawn anew among those who were on either side for the target
    people = world.store.manifest()["identity"].isin(with_role(world.splits, *EVALUATED_ROLES)["identity"])
    roles = {role: SPLITS.roles[role] for role in ("member", "unseen_identity")}
    shuffled = split(world.store.manifest()[people], SPLITS.model_copy(update={"roles": roles, "seed": seed}))
    return world.attack({TARGET_VIEW: world.target}, splits=shuffled, online=online)


def test_the_blind_baseline_finds_nothing_in_demo_faces(world):
    scores = blind_scores(world, world.store)
    results = measure_membership(scores, None, BOOTSTRAP)
    assert len(results) == 2
    assert not missed({("blind", population): metrics for population, metrics in results.items()})
    for population, metrics in results.items():
        area = area_of(scores[scores["population"].isin([MEMBER, population])])
        assert area == {name: metrics[name] for name in area}


def test_slightly_blurred_non_members_turn_the_verdict(world, tmp_path):
    members = set(world.evaluated.loc[world.evaluated["role"] == "member", "image_id"])
    pack(Blurred(world.store, members), tmp_path / "faces.arrow")
    results = measure_membership(blind_scores(world, FaceStore(tmp_path / "faces.arrow")), None, BootstrapOptions())
    membership = {"blind_partial_knowledge": results, "bn_moments_partial_knowledge": results}
    for population in results:
        assert str(read_membership(membership, population)).startswith("cannot conclude: the blind baseline alone")


class Blurred:
    """A store's faces, all but some of them blurred a little."""

    def __init__(self, store: FaceStore, sharp: set[str]) -> None:
        self.store, self.sharp = store, sharp

    def fingerprint(self) -> str:
        return "blurred"

    def __iter__(self) -> Iterator[Face]:
        manifest = self.store.manifest()
        for row, (image_id, identity) in enumerate(zip(manifest["image_id"], manifest["identity"], strict=True)):
            image = Image.fromarray(self.store.images(np.array([row]), 64)[0])
            if image_id not in self.sharp:
                image = image.filter(ImageFilter.GaussianBlur(1.0))
            content = BytesIO()
            image.save(content, "JPEG", quality=95)
            jpeg = content.getvalue()
            yield Face(image_id, identity, "blurred", jpeg, 64, 64, sha256_of(jpeg))


def blind_scores(world: World, store: FaceStore) -> pd.DataFrame:
    """What the blind baseline says of the images in `store`."""
    options = MembershipOptions(threat_models=list(THREAT_MODELS), attacks=ATTACKS, references=REFERENCES)
    images = read_signals(options.blind.signals, world.reference, store, world.evaluated, world.compute)
    return score_blind(beside_images(images, world.calibration_signals, options.blind), world.splits, options)


def test_an_overfitted_target_gives_its_members_away(world):
    results = world.attack({TARGET_VIEW: world.target}) | world.attack({TARGET_VIEW: world.target}, online=True)
    aucs = {names[1:]: metrics["auc"] for names, metrics in results.items()}
    low = {n: round(m["auc"], 3) for n, m in results.items() if n[1] not in WEAK and m["auc_ci_low"] <= 0.5}

    weaker = {n: auc for n, auc in aucs.items() if n[0] in FLOORS and auc < FLOORS[n[0]][n[2]]}

    assert not low
    assert not weaker


def test_noise_stops_the_static_attacker_and_the_adaptive_one_bypasses_it(world):
    own_faces = with_role(world.splits, "auxiliary")["image_id"]
    owner = Owner(world.target, None, world.store, with_role(world.splits, "public"), world.compute)
    noisy = defend(owner, Settings(strength=2.0), seed=0)
    bypassed = {
        View(name, "bn_reestimation"): reestimate(backbone, world.store, own_faces, world.compute)
        for name, backbone in {UNDEFENDED: world.target, "noisy": noisy}.items()
    }
    views = {TARGET_VIEW: world.target, View("noisy"): noisy}
    attacks = {name: ATTACKS[name] for name in ("bn_distance", "bn_moments")}
    static = world.attack(views, "static", threat_models=["partial_knowledge"], attacks=attacks)
    adaptive = world.attack({**views, **bypassed}, "adaptive", threat_models=["partial_knowledge"], attacks=attacks)
    for names in (names[1:] for names in static if names[0] == UNDEFENDED):
        assert static["noisy", *names]["auc"] - 0.5 < 0.4 * (static[UNDEFENDED, *names]["auc"] - 0.5), names
        assert adaptive["noisy", *names]["auc"] == pytest.approx(static[UNDEFENDED, *names]["auc"], abs=0.08), names
    utility = {name: world.utility(backbone) for name, backbone in {**views, **bypassed}.items()}
    assert utility[TARGET_VIEW] > world.utility(world.untrained()) + 0.05
    assert utility[View("noisy")] < world.utility(world.untrained()) + 0.02  # no better than a net that learnt nothing
    assert utility[View("noisy", "bn_reestimation")] == pytest.approx(utility[TARGET_VIEW], abs=0.03)


def test_defended_shadows_teach_what_they_show_and_see_through_noise_once_it_is_bypassed(world):
    attacks = {name: ATTACKS[name] for name in ("bn_distance", "bn_moments")}
    nothing, noise = (
        VariantOptions(defense="bn_perturbation", name=name, strength=strength)
        for name, strength in (("nothing", 0), ("noise", 0.8))
    )
    tried = {"noise": ("bn_reestimation",)}
    models = world.shadow_models([nothing, noise], tried, attacks)
    own = OwnFaces(world.store, with_role(world.splits, "auxiliary"), world.compute)
    variants = make_variants(world.owner_of(world.target), [nothing, noise], world.compute)
    views = make_views({UNDEFENDED: world.target, **variants}, tried, own, world.compute)
    static, refitted, adaptive = (
        world.attack(views, attacker, threat_models=["shadow"], attacks=attacks, shadow_models=models)
        for attacker in get_args(AttackerName)[1:]
    )
    for names in (names[1:] for names in static if names[0] == UNDEFENDED):
        # without strength all is equal to the bit: what shadows taught, and what is scored
        assert static[UNDEFENDED, *names] == refitted[UNDEFENDED, *names] == refitted["nothing", *names], names
        # the noise of one backbone says nothing of another's, so refitting alone brings little; bypass brings all
        assert static["noise", *names]["auc"] < 0.65, names
        assert adaptive["noise", *names]["auc"] == pytest.approx(static[UNDEFENDED, *names]["auc"], abs=0.08), names
    gains = [refitted[names]["auc"] - metrics["auc"] for names, metrics in static.items() if names[0] == "noise"]
    assert np.mean(gains) > -0.1  # about two standard deviations of an AUC of so few people
