"""What a service does to an embedding before it answers: noise and rounding at query time."""

import hashlib
from typing import TYPE_CHECKING

from pydantic import Field

from faceleak.common.options import Options

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 8  # to which an embedding is known by, in its own root mean square


class Release(Options):
    """Gaussian noise, then rounding.

    The noise follows from `seed` and the embedding, so asking again gives the same answer, in any batch. An
    embedding is known by its coordinates in eighths of its root mean square: a pass in another batch differs in the
    last bits, and would have other noise if these counted.
    """

    noise: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Standard deviation, relative to the embedding's own root mean square."""
    decimals: int | None = Field(None, ge=0)
    """To which the embedding, brought to unit length, is rounded; None leaves its length and all its digits."""
    seed: int = 0
    """Seed of the noise."""

    def answer(self, embeddings: "Tensor") -> "Tensor":
        """Embeddings (n, d) as the network gives them → as the service does; gradients pass as if nothing was done."""
        from torch.nn import functional

        if self.noise:
            embeddings = embeddings + self.noise * self._noise(embeddings.detach())
        if self.decimals is not None:
            embeddings = functional.normalize(embeddings)
            rounded = embeddings.detach().round(decimals=self.decimals)
            embeddings = rounded + (embeddings - embeddings.detach())  # the value of `rounded`, to the bit
        return embeddings

    def _noise(self, embeddings: "Tensor") -> "Tensor":
        import torch

        scale = embeddings.float().square().mean(1, keepdim=True).sqrt().cpu()
        known_by = (embeddings.float().cpu() / scale.clamp_min(1e-12) * STEPS).nan_to_num().round().to(torch.int32)
        rows = [self._standard_noise(row.numpy().tobytes(), len(row)) for row in known_by]
        return (scale * torch.stack(rows)).to(embeddings) if rows else embeddings

    def _standard_noise(self, content: bytes, size: int) -> "Tensor":
        import torch

        digest = hashlib.sha256(str(self.seed).encode() + b"\0" + content).digest()
        random = torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))
        return torch.randn(size, generator=random)
