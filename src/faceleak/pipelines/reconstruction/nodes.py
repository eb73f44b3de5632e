"""Reconstruction: evaluators to judge, latents and faces for every encounter, match rates, galleries."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.canvas import Canvas
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED, AttackerName
from faceleak.membership.options import AttackOptions, MembershipOptions
from faceleak.membership.stacking import parts, stack
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions


def evaluator_pieces(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> list[Any]:
    """What has to be trained for the judges: a piece each.

    Independent ones learn members by images that the target was not trained on, the others by those it was; all learn
    the same control people.
    """
    from faceleak.backbones.training import TrainingPiece

    return [
        TrainingPiece(
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
) -> dict[str, Any]:
    """Train or load the judges, in the order of the configuration; those that are there already are kept."""
    from faceleak.backbones.training import train_backbones

    train_backbones(evaluator_pieces(store, splits, options, compute), compute)
    return {name: get_evaluator(name, store, splits, options, compute) for name in options.evaluators}


def get_evaluator(
    name: str, store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> Any:
    """Train one judge (once; found again by what it depends on), or load it."""
    from faceleak.backbones.loading import load_checkpoint
    from faceleak.backbones.training import train_backbones

    load = options.evaluators[name].load
    if load is not None:
        return load_checkpoint(load.card(), load.weights, load.sha256)
    pieces = [piece for piece in evaluator_pieces(store, splits, options, compute) if piece.name == name]
    return train_backbones(pieces, compute)[0]


def embed_people(
    evaluators: dict[str, Any], store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions
) -> pd.DataFrame:
    """Embed the people that reconstructions are compared with, and strangers for the threshold, by each evaluator."""
    from faceleak.backbones.embedding import embed

    images = with_role(splits, "member", "same_identity", "unseen_identity", "public")
    tables = {
        name: images.assign(embedding=list(embed(evaluator, store, images["image_id"], compute)))
        for name, evaluator in evaluators.items()
    }
    return stack(tables, "evaluator")


def fit_untrained(
    views: dict[str, Any],
    references: dict[str, Any],
    store: FaceStore,
    splits: pd.DataFrame,
    reference_splits: pd.DataFrame,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    compute: ComputeOptions,
) -> Any:
    """The attack as it is fitted on a backbone that learnt nothing: what a search finds without the target."""
    from faceleak.membership.knowledge import known_images
    from faceleak.reconstruction.untrained import fit_guide, untrained

    search = options.search
    images = known_images(splits)
    if search.threat_model == "shadow":
        images = reference_splits[reference_splits["reference"] == reference_splits["reference"].iloc[0]]
    public = with_role(splits, "public")["image_id"]
    backbone = untrained(views[UNDEFENDED], store, public, search.seed, compute)
    attack = membership.attacks[search.attack]
    return fit_guide(backbone, calibrating(references, attack), store, images, attack, compute)


def calibrating(references: dict[str, Any], attack: AttackOptions) -> list[Any]:
    """The references that a search needs: those by which its attack is calibrated, if it is."""
    return list(references.values()) if attack.calibration else []


def reconstruct_faces(
    views: dict[str, Any],
    references: dict[str, Any],
    untrained: Any,
    models: Any,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    rounds: int,
    compute: ComputeOptions,
) -> dict[str, Any]:
    """Reconstruct faces in every encounter: arrays `<encounter>/<step>/<latents|pixels|scores|climb>`.

    rounds: of the search, in the place of `options.search.rounds`.

    Encounters in which the attack cannot be made, as no view of the variant gives its signals, are left out.
    """
    from faceleak.reconstruction.pieces import ReconstructionPiece, reconstruct_all

    pieces = reconstruction_pieces(views, references, models, options, membership, attackers, rounds, compute)
    search = options.search.model_copy(update={"rounds": rounds})
    return reconstruct_all(pieces, ReconstructionPiece("", untrained, options.prior, search, compute), compute)


def reconstruction_pieces(
    views: dict[str, Any],
    references: dict[str, Any],
    models: Any,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    rounds: int,
    compute: ComputeOptions,
) -> list[Any]:
    """What has to be searched: a piece for each encounter in which the attack can be made."""
    from faceleak.membership.attackers import encounters
    from faceleak.membership.scoring import model_name
    from faceleak.membership.strongest import strongest
    from faceleak.reconstruction.guide import Guide
    from faceleak.reconstruction.pieces import ReconstructionPiece

    attack = model_name(options.search.attack, options.search.threat_model)
    chosen = membership.attacks[options.search.attack]
    signals, compared = tuple(chosen.signals), tuple(calibrating(references, chosen))
    search = options.search.model_copy(update={"rounds": rounds})
    guides = {
        meeting.name: Guide(views[meeting.view], signals, models[meeting.fitted_on][attack].model, compared)
        for tries in encounters(views, attackers)
        if (meeting := strongest(tries, models, attack)) is not None
    }
    return [ReconstructionPiece(name, guide, options.prior, search, compute) for name, guide in guides.items()]


def embed_reconstructions(
    reconstructions: dict[str, Any], evaluators: dict[str, Any], compute: ComputeOptions
) -> dict[str, Any]:
    """Embed the reconstructed faces with every evaluator: `<evaluator>/<encounter>/<step>` → embeddings."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.reconstruction.search import FILM

    suffix, film = "/pixels", f"/{FILM}/pixels"
    return {
        f"{evaluator}/{name.removesuffix(suffix)}": embed_pixels(backbone, pixels, compute)
        for evaluator, backbone in evaluators.items()
        for name, pixels in reconstructions.items()
        if name.endswith(suffix) and not name.endswith(film)
    }


def measure_reconstruction(
    embeddings: dict[str, Any],
    people: pd.DataFrame,
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
) -> dict[str, dict[str, Any]]:
    """Judge every step of every encounter: variant → reconstruction → attack → step → metric.

    KID is by the first independent evaluator.
    """
    from faceleak.membership.attackers import parse_encounter, suffix_of
    from faceleak.membership.scoring import model_name
    from faceleak.metrics.face_sets import measure_kid, photograph_sets
    from faceleak.metrics.identity_match import measure_panel
    from faceleak.metrics.judge import make_panel

    shown, first = parts(people, "evaluator"), options.independent[0]
    panel, sets = make_panel(shown, options.independent, options.far), photograph_sets(shown[first], bootstrap)
    attack = model_name(options.search.attack, options.search.threat_model)
    metrics: dict[str, dict[str, Any]] = {}
    for name, of_step in _by_step(embeddings).items():
        meeting_name, _, step = name.rpartition("/")
        variant, attacker = parse_encounter(meeting_name)
        measured = metrics.setdefault(variant, {"reconstruction": {}})["reconstruction"]
        judged = measure_panel(of_step, panel, bootstrap) | measure_kid(of_step[first], sets)
        measured.setdefault(f"{attack}{suffix_of(attacker)}", {})[step] = judged
    return metrics


def _by_step(embeddings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """`<encounter>/<step>` → evaluator → embeddings, steps in the order of `STEPS`."""
    from faceleak.reconstruction.pieces import STEPS

    steps: dict[str, dict[str, Any]] = {}
    for name, of_evaluator in embeddings.items():
        evaluator, _, step = name.partition("/")
        steps.setdefault(step, {})[evaluator] = of_evaluator
    return dict(sorted(steps.items(), key=lambda item: STEPS.index(item[0].rpartition("/")[2])))


def list_findings(
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> pd.DataFrame:
    """Whom every reconstruction shows: a row each, with the encounter, the step, its number and its score.

    `ssim` and `psnr` say how alike it is to the training photo of that member that is nearest by the first evaluator.
    """
    from faceleak.faces.likeness import likeness
    from faceleak.metrics.findings import findings_table
    from faceleak.metrics.judge import make_panel
    from faceleak.reporting.nearest_images import nearest_images

    shown = parts(people, "evaluator")
    panel, first = make_panel(shown, options.independent, options.far), options.independent[0]
    tables = []
    for name, of_step in _by_step(embeddings).items():
        encounter, _, step = name.rpartition("/")
        pixels = reconstructions[f"{name}/pixels"]
        table = findings_table(of_step, panel).assign(score=reconstructions[f"{name}/scores"])
        nearest = table["member_identity"], of_step[first], pixels.shape[1]
        table["ssim"], table["psnr"] = likeness(pixels, nearest_images(store, shown[first], "member", *nearest))
        table.insert(0, "encounter", encounter)
        table.insert(1, "step", step)
        table.insert(2, "number", range(len(table)))
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def count_hits(findings: pd.DataFrame) -> pd.DataFrame:
    """Which members were found, by how many reconstructions, and how well by each evaluator."""
    from faceleak.metrics.findings import hit_list

    return hit_list(findings)


def draw_gallery(
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> tuple[Any, Any]:
    """Reconstructions of the undefended target beside the nearest member's and control's images; then the same search
    without the target."""
    return tuple(
        _gallery(step, reconstructions, embeddings, findings, people, store, options)
        for step in ("optimised", "untrained_guided")
    )


def _gallery(
    step: str,
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> Any:
    from faceleak.reporting.galleries import reconstruction_gallery
    from faceleak.reporting.nearest_images import nearest_images

    name, evaluator = f"{UNDEFENDED}/{step}", options.independent[0]
    pixels, own = reconstructions[f"{name}/pixels"], embeddings[f"{evaluator}/{name}"]
    table = _found(findings, step)
    table = table.assign(
        member_similarity=table[f"member_similarity.{evaluator}"],
        control_similarity=table[f"control_similarity.{evaluator}"],
    )
    shown = parts(people, "evaluator")[evaluator]
    size = _undistorted(pixels)
    members = nearest_images(store, shown, "member", table["member_identity"], own, size)
    controls = nearest_images(store, shown, "unseen_identity", table["control_identity"], own, size)
    subject = "reconstructions" if step == "optimised" else "faces found without the target"
    return reconstruction_gallery(pixels, members, controls, table, subject)


def _found(findings: pd.DataFrame, step: str) -> pd.DataFrame:
    """Whom the faces of one step of the undefended target show, a row a face."""
    of_step = (findings["encounter"] == UNDEFENDED) & (findings["step"] == step)
    return findings[of_step].reset_index(drop=True)


def _undistorted(pixels: Any) -> Canvas:
    """The size of these faces, for photographs of any shape."""
    return Canvas(pixels.shape[1], pixels.shape[2], "pad")


def draw_steps(reconstructions: dict[str, Any]) -> Any:
    """What ranking and optimising change, with and without the target: not the same seed in a column."""
    from faceleak.reconstruction.pieces import STEPS
    from faceleak.reporting.galleries import reconstruction_stages

    return reconstruction_stages({step: reconstructions[f"{UNDEFENDED}/{step}/pixels"] for step in STEPS})


def draw_film_strips(
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> Any:
    """How some reconstructions of the undefended target came about, from the start to the end."""
    from faceleak.reconstruction.search import FILM, filmed
    from faceleak.reporting.film_strips import film_strips
    from faceleak.reporting.nearest_images import nearest_images

    name, evaluator = f"{UNDEFENDED}/optimised", options.independent[0]
    frames, scores = (reconstructions[f"{UNDEFENDED}/{FILM}/{part}"] for part in ("pixels", "scores"))
    table = _found(findings, "optimised")
    places = filmed(len(table))
    of_films, own = table.iloc[places], embeddings[f"{evaluator}/{name}"][places]
    shown = parts(people, "evaluator")[evaluator]
    size = _undistorted(reconstructions[f"{name}/pixels"])
    members = nearest_images(store, shown, "member", of_films["member_identity"], own, size)
    return film_strips(frames, scores, members, of_films)


def draw_embedding_map(
    embeddings: dict[str, Any], findings: pd.DataFrame, people: pd.DataFrame, options: ReconstructionOptions
) -> Any:
    """Where the undefended target's reconstructions lie among people, by the first independent evaluator."""
    from faceleak.metrics.judge import make_judge
    from faceleak.reporting.embedding_map import embedding_map

    evaluator = options.independent[0]
    judge = make_judge(parts(people, "evaluator")[evaluator], options.far)
    own = embeddings[f"{evaluator}/{UNDEFENDED}/optimised"]
    return embedding_map(own, judge.members, judge.controls, _found(findings, "optimised"), evaluator)


def make_blind_sheet(
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> tuple[str, dict[str, Any]]:
    """A page on which a person judges faces drawn from the undefended target, and the key to it."""
    from faceleak.metrics.blind_key import BlindKey, choose_questions
    from faceleak.metrics.judge import make_panel
    from faceleak.reporting.blind_sheet import beside_photographs, blind_sheet_page, sheet_name

    asked, first, shown = options.blind_sheet, options.independent[0], parts(people, "evaluator")
    panel = make_panel(shown, options.independent, options.far)
    thresholds = {name: judge.threshold for name, judge in panel.judges.items()}
    of_target = findings[findings["encounter"] == UNDEFENDED]
    questions = choose_questions(of_target, thresholds, asked.per_kind, asked.seed)
    steps = {question.step for question in questions.values()}
    faces = {step: reconstructions[f"{UNDEFENDED}/{step}/pixels"] for step in steps}
    own = {step: embeddings[f"{first}/{UNDEFENDED}/{step}"] for step in steps}
    pairs = beside_photographs(questions, faces, own, shown[first], store, asked.photographs)
    key = BlindKey(sheet=sheet_name(questions, pairs), seed=asked.seed, questions=questions)
    return blind_sheet_page(pairs, key.sheet), key.model_dump(mode="json")
