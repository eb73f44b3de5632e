"""How leakage depends on the size of the training set: one target for each number of people and of images a person."""

import math
from dataclasses import dataclass

import pandas as pd

from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import split
from faceleak.membership.attackers import TARGET_VIEW
from faceleak.membership.fitting import fit_attacks
from faceleak.membership.options import AttackOptions, SweepOptions
from faceleak.membership.scoring import score_images

HELD_OUT = 2  # images a person that are not trained on


@dataclass(frozen=True)
class Cell:
    """One training set of the sweep: so many people, with so many training images each."""

    people: int
    images_per_person: int

    @property
    def name(self) -> str:
        """Name of its target."""
        return f"{self.people}_people_{self.images_per_person}_images"


def cells(options: SweepOptions) -> list[Cell]:
    """All combinations."""
    return [Cell(people, images) for people in options.people for images in options.images_per_person]


def split_cell(manifest: pd.DataFrame, cell: Cell, options: SplitOptions) -> pd.DataFrame:
    """Draw the cell's members and the unseen people; two images a member are held out from training."""
    images = cell.images_per_person + HELD_OUT
    member = RoleOptions(people=cell.people, minimum_images=images, maximum_images=images)
    roles = {"member": member, "unseen_identity": options.roles["unseen_identity"]}
    return split(
        manifest, options.model_copy(update={"roles": roles, "training_share": cell.images_per_person / images})
    )


def training_of(cell: Cell, training: TrainingOptions, minimum_steps: int) -> TrainingOptions:
    """The target's training, for more epochs if the set is so small that it would hardly be trained at all."""
    steps = max(1, cell.people * cell.images_per_person // training.batch_size)
    return training.model_copy(update={"epochs": max(training.epochs, math.ceil(minimum_steps / steps))})


def score_cell(signals: pd.DataFrame, splits: pd.DataFrame, attack: AttackOptions) -> pd.DataFrame:
    """Attack a cell's target with partial knowledge: the table of `score_images`. signals: image_id and columns."""
    views = signals.assign(**TARGET_VIEW._asdict())
    none = pd.DataFrame(columns=["reference", "image_id"])
    fitted = fit_attacks(views, none, none, splits, {"attack": attack}, ["partial_knowledge"])
    return score_images(views, none, fitted, splits, ["plain"])
