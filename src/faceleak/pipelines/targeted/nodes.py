"""Targeted: faces from leaked embeddings, of members and of strangers, and how often they are accepted."""

from typing import Any

import pandas as pd

from faceleak.compute import ComputeOptions
from faceleak.faces.splits import with_role
from faceleak.faces.store import FaceStore
from faceleak.membership.attackers import UNDEFENDED
from faceleak.membership.stacking import parts
from faceleak.metrics.options import BootstrapOptions
from faceleak.reconstruction.options import ReconstructionOptions

KINDS = {"members": "same_identity", "strangers": "unseen_identity"}


def choose_templates(splits: pd.DataFrame, options: ReconstructionOptions) -> pd.DataFrame:
    """Whose embeddings leak: kind, identity, template_image and other_image; none of the images was trained on."""
    from faceleak.metrics.template_inversion import choose_images

    targeted = options.targeted
    tables = [
        choose_images(splits, role, targeted.people, targeted.seed).assign(kind=kind) for kind, role in KINDS.items()
    ]
    return pd.concat(tables, ignore_index=True)


def invert_templates(
    target: Any, store: FaceStore, templates: pd.DataFrame, options: ReconstructionOptions, compute: ComputeOptions
) -> dict[str, Any]:
    """Faces made of the target's embeddings of the template images: `<method>/pixels`, a row a template."""
    import torch

    from faceleak.backbones.embedding import embed
    from faceleak.compute import pick_device
    from faceleak.reconstruction.priors import load_prior
    from faceleak.reconstruction.template_inversion import invert

    device = pick_device(compute)
    leaked = torch.from_numpy(embed(target, store, templates["template_image"], compute)).to(device)
    found = invert(load_prior(options.prior, device), target.to(device), leaked, options.targeted)
    arrays: dict[str, Any] = {}
    for method, (latents, faces) in found.items():
        pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1)
        arrays |= {f"{method}/latents": latents.cpu().numpy(), f"{method}/pixels": pixels.contiguous().cpu().numpy()}
    return arrays


def measure_inversion(
    inversions: dict[str, Any],
    templates: pd.DataFrame,
    people: pd.DataFrame,
    evaluators: dict[str, Any],
    options: ReconstructionOptions,
    bootstrap: BootstrapOptions,
    compute: ComputeOptions,
) -> dict[str, dict[str, Any]]:
    """Success by the independent evaluators together: variant → targeted → method → kind → type 1 and 2."""
    from faceleak.backbones.embedding import embed_pixels
    from faceleak.metrics.template_inversion import accepted, success_rates

    by_evaluator = {name: parts(people, "evaluator")[name].set_index("image_id") for name in options.independent}
    thresholds = pair_thresholds(by_evaluator, options.far)
    measured: dict[str, Any] = {}
    for method in dict.fromkeys(name.partition("/")[0] for name in inversions):
        pixels = inversions[f"{method}/pixels"]
        faces = {name: embed_pixels(evaluators[name], pixels, compute) for name in options.independent}
        type_1, type_2 = (
            accepted(faces, _embeddings(by_evaluator, templates[column]), thresholds)
            for column in ("template_image", "other_image")
        )
        measured[method] = {}
        for kind in KINDS:
            rows = (templates["kind"] == kind).to_numpy()
            measured[method][kind] = success_rates(type_1[rows], type_2[rows], bootstrap)
    return {UNDEFENDED: {"targeted": measured}}


def pair_thresholds(by_evaluator: dict[str, pd.DataFrame], far: float) -> dict[str, float]:
    """The cosine of each evaluator that the share `far` of pairs of strangers' and people's images reaches."""
    import numpy as np

    from faceleak.metrics.template_inversion import pair_threshold

    return {
        name: pair_threshold(
            np.stack(with_role(table, "public")["embedding"].to_list()),
            np.stack(with_role(table, *KINDS.values())["embedding"].to_list()),
            far,
        )
        for name, table in by_evaluator.items()
    }


def _embeddings(by_evaluator: dict[str, pd.DataFrame], image_ids: pd.Series) -> dict[str, Any]:
    import numpy as np

    return {name: np.stack(table.loc[image_ids, "embedding"].to_list()) for name, table in by_evaluator.items()}
