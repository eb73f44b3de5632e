"""Which public people a prior is trained on, and whom it never sees."""

import numpy as np
import pandas as pd

from faceleak.reconstruction.prior_training.piece import PriorTrainingError

TRAINING, HELD_OUT = "training", "held_out"
FEWEST_PEOPLE = 4  # held out: with fewer there is no interval over people


def hold_out(images: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Give each image (image_id, identity, …) a `part`: `held_out` for `share` of the people, at least four of them.

    Raises PriorTrainingError where fewer people than that would be left for training.
    """
    people = np.sort(images["identity"].unique())
    count = max(FEWEST_PEOPLE, round(share * len(people)))
    if len(people) < count + FEWEST_PEOPLE:
        raise PriorTrainingError(
            f"The role `public` has {len(people)} people, and {count} of them would be held out: too few are left. "
            "Give it more people in faces.splits.roles.public, or lower prior.held_out_share."
        )
    chosen = np.random.default_rng(seed).permutation(people)[:count]
    part = np.where(images["identity"].isin(chosen), HELD_OUT, TRAINING)
    return images.assign(part=part)
