"""Reconstruction: an evaluator to judge, latents and faces for every encounter, match rates, a gallery."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import AttackerName
from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions


def evaluator_piece(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> Any:
    """What has to be trained for the judge: images of member and control people that the target was not trained on."""
    from faceleak.backbones.training import TrainingPiece

    images = with_role(splits, "same_identity", "unseen_identity")
    return TrainingPiece("evaluator", store, images, options.evaluator.training, compute, compute.cache / "backbones")


def train_evaluator(
    store: FaceStore, splits: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> Any:
    """Train the judge on member and control people alike."""
    from faceleak.backbones.training import train_backbones

    return train_backbones([evaluator_piece(store, splits, options, compute)], compute)[0]


def embed_people(evaluator: Any, store: FaceStore, splits: pd.DataFrame, compute: ComputeOptions) -> pd.DataFrame:
    """Embed the people that reconstructions are compared with, and strangers for the threshold."""
    from faceleak.backbones.embedding import embed

    images = with_role(splits, "member", "same_identity", "unseen_identity", "public")
    embeddings = embed(evaluator, store, images["image_id"], compute)
    return images.assign(embedding=list(embeddings))


def reconstruct_faces(
    views: dict[str, Any],
    models: Any,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    attackers: list[AttackerName],
    rounds: int,
    compute: ComputeOptions,
) -> dict[str, Any]:
    """Reconstruct faces in every encounter: arrays `<encounter>/<step>/<latents|pixels|scores>`.

    rounds: of the search, in the place of `options.search.rounds`.

    Encounters in which the attack cannot be made, as no view of the variant gives its signals, are left out.
    """
    from faceleak.membership.attackers import encounters
    from faceleak.membership.scoring import model_name
    from faceleak.membership.strongest import strongest
    from faceleak.reconstruction.pieces import ReconstructionPiece, reconstruct_all

    attack = model_name(options.search.attack, options.search.threat_model)
    signals = tuple(membership.attacks[options.search.attack].signals)
    pieces = [
        ReconstructionPiece(
            meeting.name,
            views[meeting.view],
            signals,
            models[meeting.fitted_on][attack].model,
            options.prior,
            options.search.model_copy(update={"rounds": rounds}),
            compute,
        )
        for tries in encounters(views, attackers)
        if (meeting := strongest(tries, models, attack)) is not None
    ]
    return reconstruct_all(pieces, compute)


def embed_reconstructions(reconstructions: dict[str, Any], evaluator: Any, compute: ComputeOptions) -> dict[str, Any]:
    """Embed the reconstructed faces with the evaluator: `<encounter>/<step>` → embeddings."""
    from faceleak.backbones.embedding import embed_pixels

    suffix = "/pixels"
    return {
        name.removesuffix(suffix): embed_pixels(evaluator, pixels, compute)
        for name, pixels in reconstructions.items()
        if name.endswith(suffix)
    }


def measure_reconstruction(
    embeddings: dict[str, Any],
    people: pd.DataFrame,
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
) -> dict[str, dict[str, Any]]:
    """Judge every step of every encounter: variant → reconstruction → attack → step → metric."""
    from faceleak.membership.attackers import parse_encounter, suffix_of
    from faceleak.membership.scoring import model_name
    from faceleak.metrics.identity_match import measure_match
    from faceleak.metrics.judge import make_judge

    judge = make_judge(people, options.evaluator.far)
    attack = model_name(options.search.attack, options.search.threat_model)
    metrics: dict[str, dict[str, Any]] = {}
    for name, of_step in embeddings.items():
        meeting_name, _, step = name.rpartition("/")
        variant, attacker = parse_encounter(meeting_name)
        measured = metrics.setdefault(variant, {"reconstruction": {}})["reconstruction"]
        measured.setdefault(f"{attack}{suffix_of(attacker)}", {})[step] = measure_match(
            of_step, judge.members, judge.controls, judge.known_members, judge.threshold, bootstrap
        )
    return metrics


def draw_gallery(
    reconstructions: dict[str, Any],
    embeddings: dict[str, Any],
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> Any:
    """Reconstructions of the undefended target beside the nearest member's and the nearest control's images."""
    from faceleak.metrics.judge import make_judge, match_table
    from faceleak.reporting.galleries import reconstruction_gallery
    from faceleak.reporting.nearest_images import nearest_images

    name = "undefended/optimised"
    pixels = reconstructions[f"{name}/pixels"]
    table = match_table(embeddings[name], make_judge(people, options.evaluator.far))
    table = table.assign(score=reconstructions[f"{name}/scores"])
    members = nearest_images(store, people, "member", table["member_identity"], embeddings[name], pixels.shape[1])
    controls = nearest_images(
        store, people, "unseen_identity", table["control_identity"], embeddings[name], pixels.shape[1]
    )
    return reconstruction_gallery(pixels, members, controls, table)


def draw_steps(reconstructions: dict[str, Any]) -> Any:
    """What ranking and optimising change: faces of each step, not the same seed in a column."""
    from faceleak.reconstruction.search import STEPS
    from faceleak.reporting.galleries import reconstruction_stages

    return reconstruction_stages({step: reconstructions[f"undefended/{step}/pixels"] for step in STEPS})
