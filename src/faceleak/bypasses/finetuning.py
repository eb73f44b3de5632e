"""Fine-tuning: a short ArcFace training on labeled faces of the attacker's own brings the utility back.

What noise, pruning or a change of normalization has damaged is mended, and signals that take a working backbone work
again. BN statistics are re-estimated afterwards.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

from faceleak.backbones.backbone import Backbone
from faceleak.backbones.batch_norm import NoBatchNormError, reestimate
from faceleak.backbones.loading import save_backbone
from faceleak.backbones.training import TrainingTask, train_backbones
from faceleak.backbones.training_options import TrainingOptions
from faceleak.bypasses import OwnFaces

ACCESS = "weights"
IS_A_BACKBONE = True
EPOCHS = 5
LEARNING_RATE = 0.02  # a fifth of what training from the start takes
BATCH_SIZE = 64


def quantity(own: OwnFaces) -> int:
    """Images that training steps see."""
    return EPOCHS * len(own.images)


def bypass(released: Backbone, own: OwnFaces) -> Backbone:
    """Train a copy on the attacker's own faces. Raises TrainingError with fewer than two people or images."""
    card = released.card
    options = TrainingOptions.model_validate(
        {
            "architecture": card.architecture,
            "normalization": card.normalization,
            "image_size": card.preprocessing.image_size,
            "embedding_size": card.embedding_size,
            "epochs": EPOCHS,
            "learning_rate": LEARNING_RATE,
            "batch_size": max(2, min(BATCH_SIZE, len(own.images))),
        }
    )
    with TemporaryDirectory() as folder:
        start, cache = Path(folder) / "released", Path(folder) / "finetuned"
        save_backbone(released, start)
        task = TrainingTask("the released backbone", own.store, own.images, options, own.compute, cache, start)
        finetuned = train_backbones([task], own.compute.model_copy(update={"workers": 1}))[0]
    try:
        return reestimate(finetuned, own.store, own.images["image_id"], own.compute)
    except NoBatchNormError:
        return finetuned
