"""How near a latent must come to a person before evaluators see the person, and how near before the attack does.

`python -m benchmarks.latent_distance`, after `make attack`. Only the demo has people whose latents are known: faces are
drawn at a cosine from the latents of members of whom the attacker had no image. Where the attack does not tell such
faces from random ones, nothing leads a search on to where evaluators see somebody.
"""

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.reconstruction import World, load_world
from faceleak.backbones.embedding import embed_pixels
from faceleak.faces.demo import latent_of
from faceleak.faces.splits import with_role
from faceleak.membership.inputs import known_images
from faceleak.metrics.identity_match import measure_panel
from faceleak.metrics.matcher import Panel
from faceleak.pipelines.reconstruction.nodes import calibrating
from faceleak.reconstruction.drawing import draw_faces, score_people
from faceleak.reconstruction.priors.opening import load_prior
from faceleak.reconstruction.priors.prior import Prior
from faceleak.reconstruction.scorer import Scorer, fit_scorer
from faceleak.work.compute import keep_freed_memory, pick_device

COSINES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
RANDOM = 400


def latents_of_members(world: World, prior: Prior) -> Tensor:
    """Latents (people, size) of members of whom the attacker had no image."""
    demo = world.parameters.faces.demo
    assert demo is not None, "Only the demo's people have latents."
    members = with_role(world.splits, "member")
    unknown = sorted(members.loc[~members["known"], "identity"].unique())
    latents = np.stack([latent_of(demo, int(name.rpartition("_")[2])) for name in unknown])
    return prior.space.project(torch.from_numpy(latents).float())


def share_seen(world: World, panel: Panel, prior: Prior, latents: Tensor) -> float:
    """The share of these faces that all independent evaluators take for the same member."""
    faces = draw_faces(prior, latents, world.parameters.reconstruction.search.batch_size)
    pixels = (faces.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().numpy()
    embeddings = {
        name: embed_pixels(matcher, pixels, world.parameters.compute) for name, matcher in world.evaluators.items()
    }
    return float(measure_panel(embeddings, panel, world.parameters.bootstrap)["member_match_rate"])


def scorer_of(world: World) -> Scorer:
    """The attack of stage 1 as the search maximizes it."""
    attack = world.parameters.membership.attacks[world.parameters.reconstruction.search.attack]
    known, compared = known_images(world.splits), calibrating(world.references, attack)
    compute, optimizer = world.parameters.compute, world.parameters.reconstruction.search.optimizer
    return fit_scorer(world.target, compared, world.store, known, attack, compute, optimizer)


def run() -> None:
    """Print a row a cosine."""
    keep_freed_memory()
    world = load_world(own=False)
    panel, scorer, search = world.panel(), scorer_of(world), world.parameters.reconstruction.search
    prior = load_prior(world.parameters.reconstruction.prior, pick_device(world.parameters.compute))
    generator = torch.Generator().manual_seed(search.seed)
    members, random = latents_of_members(world, prior), prior.space.draw(RANDOM, generator)
    of_random = score_people(prior, scorer.score, random, search, generator)
    print("cosine to a member's latent   seen by the evaluators   AUC of the attack against random faces")
    for cosine in COSINES:
        noise = torch.randn(members.shape, generator=generator)
        near = prior.space.project(cosine * members + (1 - cosine**2) ** 0.5 * noise)
        of_near = score_people(prior, scorer.score, near, search, generator)
        labels = np.repeat([1, 0], [len(near), len(random)])
        auc = roc_auc_score(labels, torch.cat([of_near, of_random]).numpy())
        print(f"{cosine:27.1f} {share_seen(world, panel, prior, near):20.2f} {auc:20.3f}", flush=True)


if __name__ == "__main__":
    run()
