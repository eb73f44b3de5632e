"""Targeted, from one image of a person: is this person in there, and what did the training photos look like?"""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import parts
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.targeted.nodes import KINDS, pair_thresholds
from faceleak.reconstruction.options import ReconstructionOptions


def choose_person_images(splits: pd.DataFrame, options: ReconstructionOptions) -> pd.DataFrame:
    """One image each of people whom the attacker does not know: kind, identity, given_image; none was trained on."""
    from faceleak.metrics.template_inversion import choose_images

    chosen, unknown = options.person_image, splits[~splits["known"]]
    tables = [
        choose_images(unknown, role, chosen.people, chosen.seed).assign(kind=kind) for kind, role in KINDS.items()
    ]
    given = pd.concat(tables, ignore_index=True)
    return given.rename(columns={"template_image": "given_image"})[["kind", "identity", "given_image"]]


def search_person_images(
    target: Any,
    references: dict[str, Any],
    models: Any,
    store: FaceStore,
    given: pd.DataFrame,
    options: ReconstructionOptions,
    membership: MembershipOptions,
    compute: ComputeOptions,
) -> dict[str, Any]:
    """Search from each given image: `<method>/<latents|pixels|scores>` and `image/scores`, a row an image.

    Raises NoGradientError where the attack cannot be climbed by gradients.
    """
    from faceleak.membership.scoring import model_name
    from faceleak.pipelines.reconstruction.nodes import calibrating
    from faceleak.reconstruction.person_image import NoGradientError
    from faceleak.reconstruction.score_guide import make_guide

    search = options.search
    if not membership.attacks[search.attack].is_differentiable():
        raise NoGradientError(
            f"reconstruction.search.attack is {search.attack!r}, which has no gradient, and a search from one person's "
            "image climbs gradients. Take a `logistic` or `mlp` attack on signals of single images and all layers, "
            "without calibration or with `features`, to run the `targeted` pipeline."
        )
    attack = models[UNDEFENDED][model_name(search.attack, search.threat_model)]
    compared = tuple(calibrating(references, membership.attacks[search.attack]))
    guide = make_guide(target, attack, compared, takes_gradients=True)
    return search_by_guide(guide, store, given, options, compute)


def search_by_guide(
    guide: Any, store: FaceStore, given: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """The same, by the attack of `guide` on its backbone."""
    import torch

    from faceleak.backbones.embedding import embed, read_faces
    from faceleak.compute import pick_device
    from faceleak.reconstruction.person_image import search_people
    from faceleak.reconstruction.priors import load_prior

    device, ids = pick_device(compute), given["given_image"]
    guide = guide.to(device)
    target = guide.backbone
    of_images = read_faces(lambda _, faces: guide.score(faces)[:, None], target, store, ids, compute, "Scoring images")
    templates = torch.from_numpy(embed(target, store, ids, compute)).to(device)
    found = search_people(load_prior(options.prior, device), guide, templates, options.person_image)
    arrays: dict[str, Any] = {"image/scores": of_images[:, 0].copy()}
    for method, of_method in found.items():
        pixels = (of_method.faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        arrays |= {
            f"{method}/latents": of_method.latents.cpu().numpy(),
            f"{method}/pixels": pixels.contiguous().cpu().numpy(),
            f"{method}/scores": of_method.scores.cpu().numpy(),
        }
    return arrays


def measure_person_images(
    found: dict[str, Any],
    given: pd.DataFrame,
    people: pd.DataFrame,
    evaluators: dict[str, Any],
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> dict[str, dict[str, Any]]:
    """Judge by the independent evaluators: variant → person_image → method → whose photos → metric, and the verdicts.

    `members`: beside their training photos; `members_other_images`: beside images of theirs that were not trained on;
    `strangers`: beside their other images; `member_excess`: members less strangers. The method `gain` is `person_image`
    less `inversion`, person by person.
    """
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.person_image import measure_difference, measure_gains, measure_means, measure_verdict
    from faceleak.reconstruction.person_image import METHODS

    is_member = (given["kind"] == "members").to_numpy()
    photos = {name: parts(people, "evaluator")[name] for name in options.independent}
    thresholds = pair_thresholds(photos, options.far)
    alike: dict[str, dict[str, pd.DataFrame]] = {}
    for method in METHODS:
        pixels = found[f"{method}/pixels"]
        faces = {name: embed_pixels(evaluators[name], pixels, compute) for name in options.independent}
        alike[method] = _beside_photos(faces, photos, given, thresholds)
    alike["gain"] = {whose: alike["person_image"][whose] - alike["inversion"][whose] for whose in alike["inversion"]}
    measured: dict[str, Any] = {
        method: {whose: measure_means(table, bootstrap) for whose, table in of_method.items()}
        | {"member_excess": measure_difference(of_method["members"], of_method["strangers"], bootstrap)}
        for method, of_method in alike.items()
    }
    measured["gain"] |= {
        whose: measure_gains(alike["person_image"][whose], alike["inversion"][whose], bootstrap)
        for whose in alike["gain"]
    }
    measured["verdict"] = {
        name.partition("/")[0]: measure_verdict(scores.astype(float), is_member, bootstrap)
        for name, scores in found.items()
        if name.endswith("/scores")
    }
    return {UNDEFENDED: {"person_image": measured}}


def _beside_photos(
    faces: dict[str, Any], photos: dict[str, pd.DataFrame], given: pd.DataFrame, thresholds: dict[str, float]
) -> dict[str, pd.DataFrame]:
    import numpy as np

    from faceleak.metrics.person_image import likeness_to_photos

    compared = {
        "members": ("members", "member"),
        "members_other_images": ("members", KINDS["members"]),
        "strangers": ("strangers", KINDS["strangers"]),
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
