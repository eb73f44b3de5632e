"""Known people whose two signals tell members apart more or less clearly, and a study over them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
import pandas as pd
import pytest

from faceleak.membership.inputs import AttackInput
from faceleak.membership.options import AttackOptions
from faceleak.tuning import study
from faceleak.tuning.attack_study import OwnData
from faceleak.tuning.options import TuningOptions

DEFAULT = AttackOptions(signals=["embedding_norm"])


def own_people(people: int = 40, images: int = 4) -> OwnData:
    """Half of them members: `embedding_norm` says nothing, `bn_distance` lies 2 standard deviations lower for these."""
    generator = np.random.default_rng(1)
    identities = np.repeat(np.arange(people), images)
    is_member = identities % 2 == 0
    table = pd.DataFrame({"identity": identities.astype(str), "is_member": is_member})
    table["image_id"] = [f"{row}" for row in range(len(table))]
    numbers = pd.DataFrame(
        {
            "embedding_norm.norm": generator.normal(size=len(table)),
            "bn_distance.bn1": generator.normal(size=len(table)) - 2.0 * is_member,
        }
    )
    return OwnData("partial_knowledge", [AttackInput(table, numbers, [], np.zeros((len(table), 0), bool))])


def options_of(**changes: object) -> TuningOptions:
    """A study of a few trials over one optional signal and the regularization."""
    space = {
        "signals": {"always": ["embedding_norm"], "optional": ["bn_distance"]},
        "model": ["logistic"],
        "regularization": [0.001, 100.0],
        "calibration": [None],
    }
    return TuningOptions(
        **({"trials": 8, "threat_model": "partial_knowledge", "default": "norm", "space": space} | changes)
    )


@pytest.fixture(scope="session")
def people() -> OwnData:
    return own_people()


@contextmanager
def kept_in_memory() -> Iterator[None]:
    """Keep studies in this process's memory inside the block, one for each place where they would be kept."""
    from optuna.storages import InMemoryStorage

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(study, "open_storage", cache(lambda url: InMemoryStorage()))
        yield


@pytest.fixture
def in_memory() -> Iterator[None]:
    """Studies of this test are kept in memory."""
    with kept_in_memory():
        yield
