"""The embedding's norm: ArcFace trains directions only, but images that were trained on tend to have longer ones."""

from torch import Tensor, nn

from faceleak.signals.observation import Observation

ACCESS = "embeddings"
NEEDS = ("embedding",)


def compute(seen: Observation) -> Tensor:
    """Read (n, 1) Euclidean norms."""
    norms: Tensor = seen.embedding.float().norm(dim=1, keepdim=True)
    return norms


def column_names(backbone: nn.Module) -> list[str]:  # noqa: ARG001  every signal has the same form
    """One column."""
    return ["norm"]
