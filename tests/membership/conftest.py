"""Splits of made-up people, and signals that tell members from non-members as clearly as a test needs it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role

COLUMNS = ["bn_distance.bn1", "bn_distance.bn2", "bn_moments.log_distance.bn1"]


def manifest_of(people: int, images: int) -> pd.DataFrame:
    rows = [(f"{person:03d}/{i}", f"{person:03d}") for person in range(people) for i in range(images)]
    manifest = pd.DataFrame(rows, columns=["image_id", "identity"])
    return manifest.assign(sha256="hash of " + manifest["image_id"])


@pytest.fixture(scope="session")
def splits() -> pd.DataFrame:
    """60 people with 6 images each: 20 member, 20 unseen_identity, 16 auxiliary, 4 public; half are known."""
    people = {"member": 20, "unseen_identity": 20, "auxiliary": 16, "public": 4}
    roles = {role: RoleOptions(people=number) for role, number in people.items()}
    return split(manifest_of(60, 6), SplitOptions(roles=roles))


@pytest.fixture(scope="session")
def signals_of() -> Callable[..., pd.DataFrame]:
    """Signals of images with a role: signals_of(splits, shift), members lower by `shift` standard deviations."""

    def read(splits: pd.DataFrame, shift: float = 3.0, seed: int = 0) -> pd.DataFrame:
        images = with_role(splits, *EVALUATED_ROLES)
        values = np.random.default_rng(seed).normal(size=(len(images), len(COLUMNS)))
        values -= shift * (images["role"] == "member").to_numpy()[:, None]
        table = pd.DataFrame(values.astype(np.float32), columns=COLUMNS)
        return pd.concat([images[["image_id"]].reset_index(drop=True), table], axis=1)

    return read
