"""Unwrapping: an attacker with the weights leaves out what a service does to embeddings."""

from copy import deepcopy

from faceleak.backbones.backbone import Backbone
from faceleak.bypasses import OwnFaces

ACCESS = "weights"
IS_A_BACKBONE = True


def bypass(released: Backbone, own: OwnFaces) -> Backbone:  # noqa: ARG001  no face of its own is needed
    """A copy without the card's release: the embeddings of the network itself."""
    unwrapped = deepcopy(released).eval()
    unwrapped.card = unwrapped.card.model_copy(update={"release": None})
    return unwrapped
