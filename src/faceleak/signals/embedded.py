"""The input of signals that compare images: the embeddings, and what each can be compared with."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from faceleak.backbones.head import Head


@dataclass(frozen=True, eq=False)
class EmbeddedImages:
    """n images as one backbone embeds them.

    embeddings: (n, d), of unit length. identities: whose each image is, (n,). anchors: embeddings of non-members (m,
    d), of unit length; m may be 0. head: the backbone's classification head, if there is one.
    """

    embeddings: NDArray[np.float32]
    identities: NDArray[Any]
    anchors: NDArray[np.float32]
    head: "Head | None" = None
