"""Targeted: faces from what leaks of a person, an embedding or one image, of members and of non-members.

From leaked embeddings: how often the faces are accepted. From an image: is this person in there, and what did the
training photos look like?
"""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from faceleak.auditing.kinds import Attacks, Backbone, Figure, Scorer
from faceleak.common.trees import Metrics, Tree
from faceleak.faces.canvas import Canvas
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import parts
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.arrays import Array, MethodArray
from faceleak.reconstruction.options import ReconstructionOptions
from faceleak.work.compute import ComputeOptions

if TYPE_CHECKING:
    from faceleak.metrics.matcher import Matcher
    from faceleak.metrics.ranks import Ranks

KINDS = {"members": "same_identity", "non_members": "unseen_identity"}
SHOWN = 3  # people of each kind


def choose_templates(splits: pd.DataFrame, options: ReconstructionOptions) -> pd.DataFrame:
    """Whose embeddings leak: kind, identity, template_image and other_image; none of the images was trained on."""
    from faceleak.metrics.targeted import choose_images

    targeted = options.targeted
    tables = [
        choose_images(splits, role, targeted.people, targeted.seed).assign(kind=kind) for kind, role in KINDS.items()
    ]
    return pd.concat(tables, ignore_index=True)


def invert_templates(
    target: Backbone,
    store: FaceStore,
    splits: pd.DataFrame,
    templates: pd.DataFrame,
    options: ReconstructionOptions,
    compute: ComputeOptions,
) -> dict[MethodArray, Array]:
    """Faces made of the target's embeddings of the template images, and their latents: a row a template."""
    import torch

    from faceleak.backbones.embedding import embed
    from faceleak.pipelines.reconstruction.nodes import with_prior
    from faceleak.reconstruction.drawing import pixels_of
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.template_inversion import invert
    from faceleak.work.compute import pick_device

    device = pick_device(compute)
    leaked = torch.from_numpy(embed(target, store, templates["template_image"], compute)).to(device)
    prior = load_prior(with_prior(options, store, splits, compute).prior, device)
    found = invert(prior, target.to(device), leaked, options.targeted)
    arrays: dict[MethodArray, Array] = {}
    for method, (latents, faces) in found.items():
        arrays[MethodArray(method, "latents")] = latents.cpu().numpy()
        arrays[MethodArray(method, "pixels")] = pixels_of(faces)
    return arrays


def measure_inversion(
    inversions: dict[MethodArray, Array],
    templates: pd.DataFrame,
    people: pd.DataFrame,
    evaluators: dict[str, Backbone],
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> Metrics:
    """Success by the independent evaluators together: variant → targeted → method → kind → type 1 and 2, and ranks.

    Ranks are those of the template's person among members and non-members, who are shown by their other images;
    `member_excess` says whether members come out better than non-members.
    """
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.ranks import measure_rank_auc, measure_ranks, rank_intended
    from faceleak.metrics.targeted import accepted, success_rates

    by_evaluator = {name: parts(people, "evaluator")[name].set_index("image_id") for name in options.independent}
    thresholds = pair_thresholds(by_evaluator, options.far)
    matchers = _matchers_without(templates["template_image"], by_evaluator, options.far)
    measured: Tree = {}
    for method, pixels in ((of.method, array) for of, array in inversions.items() if of.part == "pixels"):
        faces = {name: embed_pixels(evaluators[name], pixels, compute) for name in options.independent}
        type_1, type_2 = (
            accepted(faces, _embeddings(by_evaluator, templates[column]), thresholds)
            for column in ("template_image", "other_image")
        )
        ranks = rank_intended(list(faces.values()), templates["identity"].to_numpy(), matchers)
        measured[method] = {}
        for kind in KINDS:
            rows = (templates["kind"] == kind).to_numpy()
            rates = success_rates(type_1[rows], type_2[rows], bootstrap)
            measured[method][kind] = rates | measure_ranks(ranks.only(_of_kind(ranks, kind)), bootstrap)
        measured[method]["member_excess"] = measure_rank_auc(ranks, bootstrap)
    return {UNDEFENDED: {"targeted": measured}}


def _matchers_without(given: pd.Series, photos: dict[str, pd.DataFrame], far: float) -> "list[Matcher]":
    """Matchers, one an evaluator in the order given, whose galleries lack the images that faces were made of."""
    from faceleak.metrics.matcher import make_matcher

    tables = [table.reset_index() if table.index.name else table for table in photos.values()]
    return [make_matcher(table[~table["image_id"].isin(given)], far) for table in tables]


def _of_kind(ranks: "Ranks", kind: str) -> NDArray[np.bool_]:
    return ranks.is_member if kind == "members" else ~ranks.is_member


def pair_thresholds(by_evaluator: dict[str, pd.DataFrame], far: float) -> dict[str, float]:
    """The cosine of each evaluator that the share `far` of pairs of non-members' and people's images reaches."""
    from faceleak.metrics.targeted import pair_threshold

    return {
        name: pair_threshold(
            np.stack(with_role(table, "public")["embedding"].to_list()),
            np.stack(with_role(table, *KINDS.values())["embedding"].to_list()),
            far,
        )
        for name, table in by_evaluator.items()
    }


def _embeddings(by_evaluator: dict[str, pd.DataFrame], image_ids: pd.Series) -> dict[str, Array]:
    return {name: np.stack(table.loc[image_ids, "embedding"].to_list()) for name, table in by_evaluator.items()}


def choose_person_images(splits: pd.DataFrame, options: ReconstructionOptions) -> pd.DataFrame:
    """One image each of people whom the attacker does not know: kind, identity, given_image; none was trained on."""
    from faceleak.metrics.targeted import choose_images

    chosen, unknown = options.person_image, splits[~splits["known"]]
    tables = [
        choose_images(unknown, role, chosen.people, chosen.seed).assign(kind=kind) for kind, role in KINDS.items()
    ]
    given = pd.concat(tables, ignore_index=True)
    return given.rename(columns={"template_image": "given_image"})[["kind", "identity", "given_image"]]


def search_person_images(
    target: Backbone,
    references: dict[str, Backbone],
    models: Attacks,
    store: FaceStore,
    splits: pd.DataFrame,
    given: pd.DataFrame,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    compute: ComputeOptions,
) -> dict[MethodArray, Array]:
    """Search from each given image: latents, pixels and scores of each method, scores of `image`, a row an image.

    Raises NoGradientError where the attack cannot be maximized by gradients.
    """
    from faceleak.membership.options import ModelKey
    from faceleak.pipelines.reconstruction.nodes import calibrating, with_prior
    from faceleak.reconstruction.person_image import NoGradientError
    from faceleak.reconstruction.scorer import make_scorer

    search = options.search
    if not membership.attacks[search.attack].is_differentiable():
        raise NoGradientError(
            f"reconstruction.search.attack is {search.attack!r}, which has no gradient, and a search from one person's "
            "image maximizes gradients. Take a `logistic` or `mlp` attack on signals of single images and all layers, "
            "without calibration or with `features`, to run the `targeted` pipeline."
        )
    attack = models[UNDEFENDED][ModelKey(search.attack, search.threat_model)]
    compared = tuple(calibrating(references, membership.attacks[search.attack]))
    scorer = make_scorer(target, attack, compared, takes_gradients=True)
    return search_by_scorer(scorer, store, given, with_prior(options, store, splits, compute), compute)


def search_by_scorer(
    scorer: Scorer, store: FaceStore, given: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> dict[MethodArray, Array]:
    """The same, by the attack of `guide` on its backbone."""
    import torch

    from faceleak.backbones.embedding import embed, read_faces
    from faceleak.reconstruction.drawing import pixels_of
    from faceleak.reconstruction.person_image import search_people
    from faceleak.reconstruction.priors import load_prior
    from faceleak.work.compute import pick_device

    device, ids = pick_device(compute), given["given_image"]
    scorer = scorer.to(device)
    target = scorer.backbone
    of_images = read_faces(lambda _, faces: scorer.score(faces)[:, None], target, store, ids, compute, "Scoring images")
    templates = torch.from_numpy(embed(target, store, ids, compute)).to(device)
    found = search_people(load_prior(options.prior, device), scorer, templates, options.person_image)
    arrays: dict[MethodArray, Array] = {MethodArray("image", "scores"): of_images[:, 0].copy()}
    for method, of_method in found.items():
        arrays |= {
            MethodArray(method, "latents"): of_method.latents.cpu().numpy(),
            MethodArray(method, "pixels"): pixels_of(of_method.faces),
            MethodArray(method, "scores"): of_method.scores.cpu().numpy(),
        }
    return arrays


def measure_person_images(
    found: dict[MethodArray, Array],
    given: pd.DataFrame,
    people: pd.DataFrame,
    evaluators: dict[str, Backbone],
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> Metrics:
    """Matcher by the independent evaluators: variant → person_image → method → whose photos → metric, and the verdicts.

    `members`: beside their training photos; `members_other_images`: beside images of theirs that were not trained on;
    `non-members`: beside their other images; `member_excess`: members less non-members. The method `gain` is
    `person_image` less `inversion`, person by person. Below `members`, `non-members` and `member_excess` also the
    ranks, as in `measure_inversion`.
    """
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.ranks import measure_rank_auc, measure_ranks, rank_intended
    from faceleak.metrics.targeted import measure_difference, measure_gains, measure_means, measure_verdict
    from faceleak.reconstruction.person_image import METHODS

    is_member = (given["kind"] == "members").to_numpy()
    photos = {name: parts(people, "evaluator")[name] for name in options.independent}
    thresholds = pair_thresholds(photos, options.far)
    matchers = _matchers_without(given["given_image"], photos, options.far)
    alike: dict[str, dict[str, pd.DataFrame]] = {}
    ranked: dict[str, Ranks] = {}
    for method in METHODS:
        pixels = found[MethodArray(method, "pixels")]
        faces = {name: embed_pixels(evaluators[name], pixels, compute) for name in options.independent}
        alike[method] = _beside_photos(faces, photos, given, thresholds)
        ranked[method] = rank_intended(list(faces.values()), given["identity"].to_numpy(), matchers)
    alike["gain"] = {whose: alike["person_image"][whose] - alike["inversion"][whose] for whose in alike["inversion"]}
    measured: Tree = {
        method: {whose: measure_means(table, bootstrap) for whose, table in of_method.items()}
        | {"member_excess": measure_difference(of_method["members"], of_method["non_members"], bootstrap)}
        for method, of_method in alike.items()
    }
    for method, ranks in ranked.items():
        for kind in KINDS:
            measured[method][kind] |= measure_ranks(ranks.only(_of_kind(ranks, kind)), bootstrap)
        measured[method]["member_excess"] |= measure_rank_auc(ranks, bootstrap)
    measured["gain"] |= {
        whose: measure_gains(alike["person_image"][whose], alike["inversion"][whose], bootstrap)
        for whose in alike["gain"]
    }
    measured["verdict"] = {
        of.method: measure_verdict(scores.astype(float), is_member, bootstrap)
        for of, scores in found.items()
        if of.part == "scores"
    }
    return {UNDEFENDED: {"person_image": measured}}


def _beside_photos(
    faces: dict[str, Array], photos: dict[str, pd.DataFrame], given: pd.DataFrame, thresholds: dict[str, float]
) -> dict[str, pd.DataFrame]:
    from faceleak.metrics.targeted import likeness_to_photos

    compared = {
        "members": ("members", "member"),
        "members_other_images": ("members", KINDS["members"]),
        "non_members": ("non_members", KINDS["non_members"]),
    }
    tables = {}
    for whose, (kind, role) in compared.items():
        rows = np.flatnonzero(given["kind"] == kind)
        place = {identity: number for number, identity in enumerate(given["identity"].iloc[rows])}
        beside = {}
        for name, table in photos.items():
            wanted = table["identity"].isin(place) & (table["role"] == role)
            beside[name] = table[wanted & ~table["image_id"].isin(given["given_image"])]
        owner = next(iter(beside.values()))["identity"].map(place).to_numpy(int)
        own = {name: embeddings[rows] for name, embeddings in faces.items()}
        shown = {name: np.stack(table["embedding"].to_list()) for name, table in beside.items()}
        tables[whose] = likeness_to_photos(own, shown, owner, thresholds)
    return tables


def draw_targeted(
    inversions: dict[MethodArray, Array],
    templates: pd.DataFrame,
    person_faces: dict[MethodArray, Array],
    person_images: pd.DataFrame,
    targeted_metrics: Metrics,
    person_image_metrics: Metrics,
    splits: pd.DataFrame,
    store: FaceStore,
) -> Figure:
    """The first people of each kind, beside what was made of their embedding or image, and how often it succeeds."""
    from faceleak.reconstruction.person_image import METHODS as SEARCHES
    from faceleak.reconstruction.template_inversion import METHODS
    from faceleak.reporting.formats import PERSONS, TEMPLATES
    from faceleak.reporting.galleries import Faces, targeted_faces
    from faceleak.reporting.style import words

    of_templates = _first(templates)
    parts = []
    if len(of_templates):
        size = _undistorted(inversions[MethodArray(METHODS[0], "pixels")])
        rates = targeted_metrics[UNDEFENDED]["targeted"]
        columns = {"its image": _photos(store, of_templates["template_image"], size)}
        columns |= {words(name): inversions[MethodArray(name, "pixels")][of_templates.index] for name in METHODS}
        columns |= {"another image": _photos(store, of_templates["other_image"], size)}
        shares = {words(name): {kind: rates[name][kind]["type_1_success_rate"] for kind in KINDS} for name in METHODS}
        parts.append(Faces(TEMPLATES, columns, of_templates["kind"].tolist(), shares))
    of_images = _first(person_images)
    if len(of_images):
        size = _undistorted(person_faces[MethodArray(SEARCHES[0], "pixels")])
        rates = person_image_metrics[UNDEFENDED]["person_image"]
        columns = {"given image": _photos(store, of_images["given_image"], size)}
        columns |= {words(name): person_faces[MethodArray(name, "pixels")][of_images.index] for name in SEARCHES}
        columns |= {"a photo": _photos(store, _compared(of_images, splits), size)}
        shares = {words(name): {kind: rates[name][kind]["match_rate"] for kind in KINDS} for name in SEARCHES}
        parts.append(Faces(PERSONS, columns, of_images["kind"].tolist(), shares))
    return targeted_faces(parts)


def _first(table: pd.DataFrame) -> pd.DataFrame:
    """The first people of each kind; the index says in which row of the faces they are."""
    return table[table.groupby("kind").cumcount() < SHOWN]


def _compared(given: pd.DataFrame, splits: pd.DataFrame) -> pd.Series:
    """An image of each person that faces are compared with: a training photo of members, another one of non-members."""
    others = with_role(splits, "member", KINDS["non_members"]).sort_values("image_id")
    others = others[~others["image_id"].isin(given["given_image"])]
    return given["identity"].map(others.groupby("identity")["image_id"].first())


def _undistorted(pixels: Array) -> Canvas:
    return Canvas(pixels.shape[1], pixels.shape[2], "pad")


def _photos(store: FaceStore, image_ids: pd.Series, size: Canvas) -> Array:
    return store.images(store.positions(image_ids), size)
