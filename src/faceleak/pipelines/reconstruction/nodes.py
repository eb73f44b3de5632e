"""Reconstruction: evaluators and the people they know, latents and faces by evaluation, match rates, findings."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.auditing.kinds import Attacks, Backbone, ReconstructionTask, Scorer, TrainingTask
from faceleak.auditing.target import tell_faults
from faceleak.common.errors import FaceleakError
from faceleak.common.trees import Metrics
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import (
    TARGET_VIEW,
    AttackerName,
    Evaluation,
    View,
    evaluation_name,
    evaluations,
    suffix_of,
)
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.membership.stacking import parts, stack
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.arrays import (
    BESIDE,
    CEILING,
    CLASS_CENTERS,
    HEAD_GIVEN,
    INTENDED,
    Array,
    ReconstructionArray,
    ReconstructionEmbeddings,
    SearchStep,
)
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.work.compute import ComputeOptions

if TYPE_CHECKING:
    from faceleak.reconstruction.beside import Beside


def evaluator_tasks(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> list[TrainingTask]:
    """What has to be trained for the evaluators: a task each.

    Independent ones learn members by images that the target was not trained on, the others by those it was; all learn
    the same control people.
    """
    from faceleak.backbones.training import TrainingTask

    return [
        TrainingTask(
            name,
            store,
            with_role(splits, "same_identity" if evaluator.independent else "member", "unseen_identity"),
            evaluator.training,
            compute,
            compute.cache / "backbones",
        )
        for name, evaluator in options.evaluators.items()
        if evaluator.training is not None
    ]


def train_evaluators(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> dict[str, Backbone]:
    """Train or load the evaluators, in the order of the configuration; those that are there already are kept."""
    from faceleak.backbones.training import train_backbones

    tasks = evaluator_tasks(store, splits, options, compute)
    trained = dict(zip([task.name for task in tasks], train_backbones(tasks, compute), strict=True))
    return tell_faults(with_loaded(trained, options))


def with_loaded(trained: dict[str, Backbone], options: ReconstructionOptions) -> dict[str, Backbone]:
    """The evaluators that were trained and, loaded here, those from outside, in the order of the configuration."""
    from faceleak.backbones.loading import load_checkpoint

    return {
        name: trained[name]
        if evaluator.load is None
        else load_checkpoint(evaluator.load.card(), evaluator.load.weights, evaluator.load.sha256)
        for name, evaluator in options.evaluators.items()
    }


def embed_people(
    evaluators: dict[str, Backbone], store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions
) -> pd.DataFrame:
    """Embed the people that reconstructions are compared with, and non-members for the threshold, by each evaluator."""
    from faceleak.backbones.embedding import embed

    images = with_role(splits, "member", "same_identity", "unseen_identity", "public")
    tables = {
        name: images.assign(embedding=list(embed(evaluator, store, images["image_id"], compute)))
        for name, evaluator in evaluators.items()
    }
    return stack(tables, "evaluator")


def fit_untrained(
    views: dict[View, Backbone],
    references: dict[str, Backbone],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    compute: ComputeOptions,
) -> Scorer:
    """The attack as it is fitted on a backbone that learnt nothing: what a search finds without the target."""
    from faceleak.membership.inputs import known_images
    from faceleak.reconstruction.scorer import fit_scorer, untrained

    search = options.search
    images = known_images(splits)
    if search.threat_model == "shadow":
        images = reference_splits[reference_splits["reference"] == reference_splits["reference"].iloc[0]]
    public = with_role(splits, "public")["image_id"]
    backbone = untrained(views[TARGET_VIEW], store, public, search.seed, compute)
    attack = membership.attacks[search.attack]
    compared = calibrating(references, attack)
    return fit_scorer(backbone, compared, store, images, attack, compute, search.optimizer)


def calibrating(references: dict[str, Backbone], attack: AttackOptions) -> list[Backbone]:
    """The references that a search needs: those by which its attack is calibrated, if it is."""
    return list(references.values()) if attack.calibration else []


def with_prior(
    options: ReconstructionOptions, store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions
) -> ReconstructionOptions:
    """The options with a prior that can be loaded: principal components are fitted to the public faces."""
    from faceleak.reconstruction.priors.opening import prepared

    prior = prepared(options.prior, store, with_role(splits, "public"), compute)
    return options.model_copy(update={"prior": prior})


def reconstruct_faces(
    views: dict[View, Backbone],
    references: dict[str, Backbone],
    untrained: Scorer,
    models: Attacks,
    store: FaceStore,
    splits: pd.DataFrame,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    rounds: int,
    compute: ComputeOptions,
) -> dict[ReconstructionArray, Array]:
    """Reconstruct faces in every evaluation: `ReconstructionArray` → array.

    rounds: of the search, in the place of `options.search.rounds`.

    Evaluations in which the attack cannot be made, as no view of the variant gives its signals, are left out. Beside
    each search stand class centers and what bounds it.
    """
    from faceleak.reconstruction.beside import beside, draw_all
    from faceleak.reconstruction.tasks import ReconstructionTask, reconstruct_all

    options = with_prior(options, store, splits, compute)
    tasks = reconstruction_tasks(views, references, models, options, membership, attackers, rounds, compute)
    search = options.search.model_copy(update={"rounds": rounds})
    found = reconstruct_all(tasks, ReconstructionTask(untrained, options.prior, search, compute), compute)
    others = tasks_beside(tasks, store, splits, options, compute)
    draw_all([task for of_step in others.values() for task in of_step.values()], compute)
    for evaluation, by_step in others.items():
        found[evaluation] |= {step: beside(task, tasks[evaluation].scorer) for step, task in by_step.items()}
    return {
        ReconstructionArray(evaluation.variant, evaluation.attacker, step, part): array
        for evaluation, of_step in found.items()
        for step, arrays in of_step.items()
        for part, array in arrays.items()
    }


def reconstruction_tasks(
    views: dict[View, Backbone],
    references: dict[str, Backbone],
    models: Attacks,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    rounds: int,
    compute: ComputeOptions,
) -> dict[Evaluation, ReconstructionTask]:
    """What has to be searched: a task for each evaluation in which the attack can be made."""
    from faceleak.membership.options import ModelKey
    from faceleak.membership.views import strongest
    from faceleak.reconstruction.optimizers import registry as optimizers
    from faceleak.reconstruction.scorer import make_scorer
    from faceleak.reconstruction.tasks import ReconstructionTask

    attack = ModelKey(options.search.attack, options.search.threat_model)
    compared = tuple(calibrating(references, membership.attacks[options.search.attack]))
    search = options.search.model_copy(update={"rounds": rounds})
    by_gradients = optimizers.get(search.optimizer).TAKES_GRADIENTS
    scorers = {
        evaluation: make_scorer(
            views[evaluation.view], models[evaluation.fitted_on.name][attack], compared, by_gradients
        )
        for tries in evaluations(views, attackers)
        if (evaluation := strongest(tries, models, attack)) is not None
    }
    return {
        evaluation: ReconstructionTask(scorer, options.prior, search, compute) for evaluation, scorer in scorers.items()
    }


class ReconstructionError(FaceleakError):
    """Stage 2 cannot be judged with these faces."""


def tasks_beside(
    tasks: dict[Evaluation, ReconstructionTask],
    store: FaceStore,
    splits: pd.DataFrame,
    options: ReconstructionOptions,
    compute: ComputeOptions,
) -> "dict[Evaluation, dict[str, Beside]]":
    """What stands beside each search: the ceiling of the prior, and where no defense is judged two more; a task each.

    These are the target's class centers, and `head_given` if it has a head: nobody who meets a defense is given one.
    """
    from faceleak.reconstruction.bounds import Ceiling, HeadGiven
    from faceleak.reconstruction.class_centers import ClassCenters
    from faceleak.reconstruction.optimizers import registry as optimizers

    prior, members = options.prior, members_of(splits)
    if not len(members):
        raise ReconstructionError(
            "Nobody plays the role `same_identity`: stage 2 is judged by photos of members that the target was not "
            "trained on. State some in the source (docs/faces.md), or run --pipelines=faces,target,membership."
        )
    photos = with_role(splits, "same_identity").sort_values("image_id").drop_duplicates("identity")
    photos = photos.set_index("identity").loc[members.tolist()].reset_index()
    chosen = _spread(np.arange(len(members)), options.ceiling.people)
    ceiling = Ceiling(store, photos.iloc[chosen], chosen, prior, options.ceiling, compute)
    found: dict[Evaluation, dict[str, Beside]] = {}
    by_gradients = optimizers.get(options.search.optimizer).TAKES_GRADIENTS
    for evaluation, task in tasks.items():
        found[evaluation] = {CEILING: ceiling}
        backbone = task.scorer.backbone
        if evaluation.attacker == "plain" and (asked := options.class_centers) is not None:
            found[evaluation][CLASS_CENTERS] = ClassCenters(task.scorer, prior, asked, by_gradients, compute)
        if evaluation.attacker != "plain" or backbone.head is None:
            continue
        row = {identity: number for number, identity in enumerate(backbone.head.identities)}
        known = np.array([place for place, identity in enumerate(members) if identity in row], dtype=int)
        if len(known):
            chosen = _spread(known, options.head_given.people)
            rows = backbone.head.weight[[row[members[place]] for place in chosen]]
            found[evaluation][HEAD_GIVEN] = HeadGiven(backbone, rows, chosen, prior, options.head_given, compute)
    return found


def members_of(people: pd.DataFrame) -> NDArray[np.str_]:
    """The members (n,) of whom there are photos that were not trained on, in sorted order."""
    return np.unique(with_role(people, "same_identity")["identity"].to_numpy(str))


def _spread(places: NDArray[np.int_], count: int) -> NDArray[np.int_]:
    """At most `count` of these places, spread evenly."""
    spread: NDArray[np.int_] = places[np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)]
    return spread


def embed_reconstructions(
    reconstructions: dict[ReconstructionArray, Array], evaluators: dict[str, Backbone], compute: ComputeOptions
) -> dict[ReconstructionEmbeddings, Array]:
    """Embed the reconstructed faces with every evaluator."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.reconstruction.search import FILM

    return {
        ReconstructionEmbeddings(evaluator, *of.found_at): embed_pixels(backbone, pixels, compute)
        for evaluator, backbone in evaluators.items()
        for of, pixels in reconstructions.items()
        if of.part == "pixels" and of.step != FILM
    }


def measure_reconstruction(
    reconstructions: dict[ReconstructionArray, Array],
    embeddings: dict[ReconstructionEmbeddings, Array],
    people: pd.DataFrame,
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
) -> Metrics:
    """Judge every step of every evaluation: variant → reconstruction → attack → step → metric.

    KID is by the first independent evaluator. What the evaluators make of real photographs stands beside every step,
    and the ranks of who is meant where faces are meant to show somebody.
    """
    from faceleak.membership.options import ModelKey
    from faceleak.metrics.identity_match import measure_panel, measure_photographs
    from faceleak.metrics.kid import measure_kid, photograph_sets
    from faceleak.metrics.matcher import make_panel
    from faceleak.metrics.ranks import measure_ranks, rank_intended

    shown, first = parts(people, "evaluator"), options.independent[0]
    panel, sets = make_panel(shown, options.independent, options.far), photograph_sets(shown[first], bootstrap)
    members = {name: with_role(shown[name], "member") for name in options.independent}
    of_members = {name: np.stack(rows["embedding"].to_list()) for name, rows in members.items()}
    photographs = measure_photographs(of_members, members[first]["identity"].to_numpy(), panel, bootstrap)
    attack = ModelKey(options.search.attack, options.search.threat_model).name
    metrics: Metrics = {}
    matchers = [panel.matchers[name] for name in options.independent]
    for found_at, of_step in _by_step(embeddings).items():
        variant, attacker, step = found_at
        measured = metrics.setdefault(variant, {"reconstruction": {}})["reconstruction"]
        judged = measure_panel(of_step, panel, bootstrap) | measure_kid(of_step[first], sets) | photographs
        intended = reconstructions.get(ReconstructionArray(*found_at, INTENDED))
        if intended is not None:
            by_judge = [of_step[name] for name in options.independent]
            judged |= measure_ranks(rank_intended(by_judge, members_of(shown[first])[intended], matchers), bootstrap)
        measured.setdefault(f"{attack}{suffix_of(attacker)}", {})[step] = judged
    return metrics


def _by_step(embeddings: dict[ReconstructionEmbeddings, Array]) -> dict[SearchStep, dict[str, Array]]:
    """Step of a search → evaluator → embeddings: the steps of the search in their order, then those beside it."""
    from faceleak.reconstruction.tasks import STEPS

    steps: dict[SearchStep, dict[str, Array]] = {}
    for of, of_evaluator in embeddings.items():
        steps.setdefault(of.found_at, {})[of.evaluator] = of_evaluator
    return dict(sorted(steps.items(), key=lambda item: (*STEPS, *BESIDE).index(item[0].step)))


def list_findings(
    reconstructions: dict[ReconstructionArray, Array],
    embeddings: dict[ReconstructionEmbeddings, Array],
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> pd.DataFrame:
    """Whom every reconstruction shows: a row each, with the evaluation, the step, its number and its score.

    `ssim` and `psnr` say how alike it is to the training photo of that member that is nearest by the first evaluator.
    """
    from faceleak.faces.likeness import likeness
    from faceleak.metrics.identity_match import findings_table
    from faceleak.metrics.matcher import make_panel
    from faceleak.reporting.galleries import nearest_images

    shown = parts(people, "evaluator")
    panel, first = make_panel(shown, options.independent, options.far), options.independent[0]
    tables = []
    for found_at, of_step in _by_step(embeddings).items():
        pixels, scores = (reconstructions[ReconstructionArray(*found_at, part)] for part in ("pixels", "scores"))
        table = findings_table(of_step, panel).assign(score=scores)
        nearest = table["member_identity"], of_step[first], pixels.shape[1]
        table["ssim"], table["psnr"] = likeness(pixels, nearest_images(store, shown[first], "member", *nearest))
        table.insert(0, "evaluation", evaluation_name(found_at.variant, found_at.attacker))
        table.insert(1, "step", found_at.step)
        table.insert(2, "number", range(len(table)))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)
