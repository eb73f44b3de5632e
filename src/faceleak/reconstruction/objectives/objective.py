"""The objective: a weighted sum of terms, all read off one forward pass of the backbone, and whom the search keeps.

It keeps the best, and with `diversity` the best of different people.
"""

from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.backbones.batch_norm import reading
from faceleak.reconstruction.objectives import Sample, augmented, registry
from faceleak.reconstruction.objectives.diversity import repulsion
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need
from faceleak.signals.observation import observe


def best(ratings: Tensor, count: int) -> Tensor:
    """Places (count,) of the highest ratings (n,), best first."""
    return ratings.argsort(descending=True, stable=True)[:count]


def best_of_different(ratings: Tensor, embeddings: Tensor, weight: float, count: int) -> Tensor:
    """Places (count,), one after the other the highest rating less what those chosen before take off it.

    embeddings: (n, d). One that was chosen takes off `weight` standard deviations of the ratings from a face that is
    the same to the backbone, and nothing from one below `diversity.ALIKE` (maximal marginal relevance, SIGIR 1998).
    """
    unit = functional.normalize(embeddings.float(), dim=1)
    left, unit_loss = ratings.clone(), weight * ratings.std()
    places = []
    for _ in range(min(count, len(ratings))):
        place = int(left.argmax())
        places.append(place)
        left = left - unit_loss * repulsion(unit @ unit[place])
        left[places] = -torch.inf
    return torch.tensor(places, device=ratings.device)


BATCH = 256


class Objective:
    """Weighted terms under a scorer; terms of weight 0 are left out."""

    def __init__(self, scorer: Scorer, weights: Mapping[str, float]) -> None:
        self.scorer = scorer
        self.weights = {name: weight for name, weight in weights.items() if weight}
        self.terms = {name: registry.get(name) for name in self.weights}
        self.needs = frozenset[Need]().union(*(term.needs(scorer) for term in self.terms.values()))

    @property
    def draws(self) -> bool:
        """Whether a term draws something, so that it takes a seed."""
        return any(getattr(term, "DRAWS", False) for term in self.terms.values())

    @property
    def images(self) -> int:
        """How many images of each person are looked at together."""
        return registry.images(self.weights)

    def __call__(self, faces: Tensor, latents: Tensor, seed: int = 0) -> Tensor:
        """Faces (n, 3, h, w) in 0…1 and the latents that made them → what is maximized (n,)."""
        return self.value(self.sample(faces, latents, seed, self.images))

    def sample(self, faces: Tensor, latents: Tensor, seed: int, images: int, besides: Collection[Need] = ()) -> Sample:
        """What the terms look at: `images` faces of each person, first ones first, and what the backbone shows.

        besides: what somebody else needs of the pass.
        """
        seen = observe(self.scorer.backbone, faces, self.needs.union(besides))
        return Sample(latents, faces, seen, seed, images)

    def value(self, sample: Sample, without: Collection[str] = ()) -> Tensor:
        """The weighted sum (n,) of the terms, but for those in `without`."""
        terms = {name: term for name, term in self.terms.items() if name not in without}
        values = [self.weights[name] * term.value(sample, self.scorer) for name, term in terms.items()]
        return torch.stack(values).sum(0) if values else sample.faces.new_zeros(len(sample.faces))

    def worth(self, faces: Tensor, latents: Tensor, seed: int, images: int) -> Tensor:
        """What is maximized (n,), without terms such as `diversity`, which compare faces: people may be kept by it."""
        about_others = [name for name, term in self.terms.items() if getattr(term, "ABOUT_OTHERS", False)]
        return self.value(self.sample(faces, latents, seed, images), without=about_others)

    def rating(self, faces: Tensor, seed: int = 0) -> Tensor:
        """Membership scores (n,) by which people are kept: under augmentations, where these are part of the terms."""
        return self.scorer.score(augmented.augment(faces, seed) if "augmented" in self.weights else faces)

    def keep(self, ratings: Tensor, faces: Callable[[], Tensor], count: int) -> Tensor:
        """Places (count,) of the people to keep by their ratings (n,): of different ones, where `diversity` is a term.

        faces: makes one face of each (n, 3, h, w); not called where it is not needed.
        """
        weight = self.weights.get("diversity", 0.0)
        if not weight:
            return best(ratings, count)
        with torch.inference_mode(), reading(self.scorer.backbone):
            embeddings = torch.cat([self.scorer.backbone(batch) for batch in torch.split(faces(), BATCH)])
        return best_of_different(ratings, embeddings, weight, count)
