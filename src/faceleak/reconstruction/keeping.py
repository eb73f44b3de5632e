"""Whom the search keeps: the best, and with `diversity` the best of different people."""

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.reconstruction.objectives.diversity import repulsion


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
