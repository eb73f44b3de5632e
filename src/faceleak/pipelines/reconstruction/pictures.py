"""What people look at of reconstructions: galleries, film strips, a map."""

import pandas as pd

from faceleak.auditing.kinds import Figure
from faceleak.faces.canvas import Canvas
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.stacking import parts
from faceleak.reconstruction.arrays import BESIDE, CEILING, Array, ReconstructionArray, ReconstructionEmbeddings
from faceleak.reconstruction.options import ReconstructionOptions


def draw_gallery(
    reconstructions: dict[ReconstructionArray, Array],
    embeddings: dict[ReconstructionEmbeddings, Array],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> tuple[Figure, Figure]:
    """Reconstructions of the undefended target beside the nearest member's and control's images; then the same search
    without the target."""
    arguments = reconstructions, embeddings, findings, people, store, options
    return _gallery("optimized", *arguments), _gallery("untrained_guided", *arguments)


def _gallery(
    step: str,
    reconstructions: dict[ReconstructionArray, Array],
    embeddings: dict[ReconstructionEmbeddings, Array],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> Figure:
    from faceleak.reporting.galleries import nearest_images, reconstruction_gallery

    evaluator = options.independent[0]
    pixels, own = reconstructions[_of_target(step, "pixels")], embeddings[_seen_by(evaluator, step)]
    table = _found(findings, step)
    table = table.assign(
        member_similarity=table[f"member_similarity.{evaluator}"],
        control_similarity=table[f"control_similarity.{evaluator}"],
    )
    shown = parts(people, "evaluator")[evaluator]
    size = _undistorted(pixels)
    members = nearest_images(store, shown, "member", table["member_identity"], own, size)
    controls = nearest_images(store, shown, "unseen_identity", table["control_identity"], own, size)
    subject = "reconstructions" if step == "optimized" else "faces found without the target"
    return reconstruction_gallery(pixels, members, controls, table, subject, _ceiling(findings))


def _ceiling(findings: pd.DataFrame) -> str:
    """What this prior can draw at all, in words; empty where nobody measured it."""
    drawn = _found(findings, CEILING)
    if drawn.empty:
        return ""
    matches = int(drawn["matches_member"].sum())
    told = f"ceiling: of {len(drawn)} photos of members that this prior draws as nearly as it can, {matches} match"
    return told if matches else f"{told}: as far as the evaluators know them, this prior cannot draw them"


def _of_target(step: str, part: str) -> ReconstructionArray:
    return ReconstructionArray(UNDEFENDED, "plain", step, part)


def _seen_by(evaluator: str, step: str) -> ReconstructionEmbeddings:
    return ReconstructionEmbeddings(evaluator, UNDEFENDED, "plain", step)


def _found(findings: pd.DataFrame, step: str) -> pd.DataFrame:
    """Whom the faces of one step of the undefended target show, a row a face."""
    of_step = (findings["evaluation"] == UNDEFENDED) & (findings["step"] == step)
    return findings[of_step].reset_index(drop=True)


def _undistorted(pixels: Array) -> Canvas:
    """The size of these faces, for photographs of any shape."""
    return Canvas(pixels.shape[1], pixels.shape[2], "pad")


def draw_steps(reconstructions: dict[ReconstructionArray, Array]) -> Figure:
    """What ranking and optimizing change, with and without the target: not the same seed in a column."""
    from faceleak.reconstruction.tasks import STEPS
    from faceleak.reporting.galleries import reconstruction_stages

    drawn = {step: reconstructions.get(_of_target(step, "pixels")) for step in (*STEPS, *BESIDE)}
    return reconstruction_stages({step: pixels for step, pixels in drawn.items() if pixels is not None})


def draw_film_strips(
    reconstructions: dict[ReconstructionArray, Array],
    embeddings: dict[ReconstructionEmbeddings, Array],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    store: FaceStore,
    options: ReconstructionOptions,
) -> Figure:
    """How some reconstructions of the undefended target came about, from the start to the end."""
    from faceleak.reconstruction.search import FILM, filmed
    from faceleak.reporting.galleries import film_strips, nearest_images

    evaluator = options.independent[0]
    frames, scores = (reconstructions[_of_target(FILM, part)] for part in ("pixels", "scores"))
    table = _found(findings, "optimized")
    places = filmed(len(table))
    of_films, own = table.iloc[places], embeddings[_seen_by(evaluator, "optimized")][places]
    shown = parts(people, "evaluator")[evaluator]
    size = _undistorted(reconstructions[_of_target("optimized", "pixels")])
    members = nearest_images(store, shown, "member", of_films["member_identity"], own, size)
    return film_strips(frames, scores, members, of_films)


def draw_embedding_map(
    embeddings: dict[ReconstructionEmbeddings, Array],
    findings: pd.DataFrame,
    people: pd.DataFrame,
    options: ReconstructionOptions,
) -> Figure:
    """Where the undefended target's reconstructions lie among people, by the first independent evaluator."""
    from faceleak.metrics.matcher import make_matcher
    from faceleak.reporting.embedding_map import embedding_map

    evaluator = options.independent[0]
    matcher = make_matcher(parts(people, "evaluator")[evaluator], options.far)
    own = embeddings[_seen_by(evaluator, "optimized")]
    return embedding_map(own, matcher.members, matcher.controls, _found(findings, "optimized"), evaluator)
