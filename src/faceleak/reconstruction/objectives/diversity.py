"""Different people: faces of one batch push each other away where the backbone takes them for the same person.

Without it many latents end in the few faces that score highest. The backbone's own embedding says who is alike, as the
attacker has no other evaluator. Which latents share a batch depends on the batch size.
"""

import torch
from torch import Tensor
from torch.nn import functional

from faceleak.reconstruction.objectives import Sample
from faceleak.reconstruction.scorer import Scorer
from faceleak.signals import Need

ABOUT_OTHERS = True
ALIKE = 0.5  # cosine from which on two faces push each other away


def needs(scorer: Scorer) -> frozenset[Need]:  # noqa: ARG001  the same for every scorer
    """The embedding."""
    return frozenset({"embedding"})


def value(sample: Sample, scorer: Scorer) -> Tensor:  # noqa: ARG001  all is in the sample
    """Minus the sum of what each other face of the batch has in common with it beyond `ALIKE`, ≤ 0."""
    unit = functional.normalize(sample.seen.embedding.float(), dim=1)
    cosines = unit @ unit.detach().T  # each moves away from the others as they are
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return -repulsion(cosines.masked_fill(itself, -1)).sum(1)


def repulsion(cosines: Tensor) -> Tensor:
    """How far cosines lie above `ALIKE`, as a share of the way to 1."""
    return functional.relu(cosines - ALIKE) / (1 - ALIKE)
