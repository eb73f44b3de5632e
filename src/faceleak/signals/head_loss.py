"""Loss by the classification head that the backbone was trained with: members have less (Yeom et al., 1709.01604).

An upper bound to compare with: it needs the head, which a headless release does not give away. Logits are those of
ArcFace without the margin, scale·cos. Read is the smallest loss over all classes, whoever is on the image: the loss of
a person's own class exists for listed people only, so being listed, and not training, would be the signal.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, split
from torch.nn import functional

from faceleak.common.errors import FaceleakError
from faceleak.signals import EmbeddedImages

ACCESS = "head"
COLUMNS = ("smallest",)
LOGITS = 1 << 22  # in memory at once


class NoHeadError(FaceleakError):
    """The backbone comes without its classification head."""


def compare(embedded: EmbeddedImages) -> NDArray[np.float32]:
    """Read (n, 1) losses ≥ 0, smaller for members. Raises NoHeadError if the backbone has no head."""
    head = embedded.head
    if head is None:
        raise NoHeadError(
            "`head_loss` reads the classification head that a backbone was trained with, and this backbone has none. "
            "Give `head` and `identities` in target.load, train the target here, or leave the signal out."
        )
    classes = functional.normalize(head.weight.detach().float().cpu())
    embeddings = torch.from_numpy(embedded.embeddings)
    rows = max(1, LOGITS // len(classes))
    losses = [_smallest(head.scale * (part @ classes.T).double()) for part in split(embeddings, rows)]
    return torch.cat(losses)[:, None].float().numpy()


def _smallest(logits: Tensor) -> Tensor:
    return _loss(logits, logits.argmax(1))


def _loss(logits: Tensor, classes: Tensor) -> Tensor:
    """−log softmax of one class a row, as softplus(log Σ of the others − own): no digits are lost if it is small."""
    own = logits.gather(1, classes[:, None])
    others = logits.scatter(1, classes[:, None], -torch.inf).logsumexp(1)
    return functional.softplus(others - own[:, 0])
