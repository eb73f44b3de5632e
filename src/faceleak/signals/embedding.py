"""The embedding itself, as the backbone gives it: what comparisons with other images start from."""

from torch import Tensor

from faceleak.signals.observation import Observation

ACCESS = "embeddings"
NEEDS = ("embedding",)


def compute(seen: Observation) -> Tensor:
    """Read (n, embedding size), not normalized."""
    return seen.embedding.float()
