"""Splits of made-up people, and signals that tell members from non-members as clearly as a test needs it."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from faceleak.backbones.training_options import TrainingOptions
from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership.options import ReferenceOptions
from faceleak.membership.references import split_references

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


REFERENCES = ReferenceOptions(count=4, training=TrainingOptions(architecture="iresnet_tiny", epochs=1))


@pytest.fixture(scope="session")
def many_splits() -> pd.DataFrame:
    """380 people with 6 images each: 150 member, 150 unseen_identity, 80 auxiliary; half are known."""
    people = {"member": 150, "unseen_identity": 150, "auxiliary": 80}
    roles = {role: RoleOptions(people=number) for role, number in people.items()}
    return split(manifest_of(380, 6), SplitOptions(roles=roles))


def difficult_signals(images: pd.DataFrame, shift: float = 1.0, seed: int = 0) -> pd.DataFrame:
    """Signals of images with a role: three times the image's own difficulty, noise of 0.5, members lower by `shift`.

    The difficulty, standard normal, is the same for every backbone that looks at the image.
    """
    values = 0.5 * np.random.default_rng(seed).normal(size=(len(images), len(COLUMNS)))
    for column, name in enumerate(COLUMNS):
        unique = pd.util.hash_array((images["image_id"] + name).to_numpy(object)).astype(np.float64)
        values[:, column] += 3 * norm.ppf((unique + 0.5) / 2.0**64)
    values -= shift * (images["role"] == "member").to_numpy()[:, None]
    return images[["image_id"]].reset_index(drop=True).join(pd.DataFrame(values, columns=COLUMNS))


def of_non_members(images: pd.DataFrame, read: Callable[..., pd.DataFrame], references: int = 4) -> pd.DataFrame:
    """Calibration signals: what references show that know nobody in `images`."""
    tables = [read(images, 0.0, 100 + i).assign(reference=f"reference_{i}") for i in range(references)]
    return pd.concat(tables, ignore_index=True)


def of_references(splits: pd.DataFrame, read: Callable[..., pd.DataFrame], shift: float = 1.0) -> pd.DataFrame:
    """Reference signals: what four references show for the auxiliary people, half of whom each was trained on."""
    drawn = split_references(splits, REFERENCES).groupby("reference", sort=False)
    parts = [images.merge(read(images, shift, 10 + i), on="image_id") for i, (_, images) in enumerate(drawn)]
    return pd.concat(parts, ignore_index=True)
