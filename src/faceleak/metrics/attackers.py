"""All metrics of one attack by one attacker: on images, and on people."""

from typing import Any

import pandas as pd

from faceleak.common.options import Aggregation
from faceleak.metrics.epsilon import clopper_pearson_epsilon
from faceleak.metrics.identity_level import measure_identities
from faceleak.metrics.membership import measure_membership
from faceleak.metrics.options import BootstrapOptions

SIDE_BY_SIDE = 200_000_000  # scores times resamples from which on starting workers pays: half a minute of work


def is_much(scores: int, bootstrap: BootstrapOptions) -> bool:
    """Whether measuring so many scores, of all attacks together, takes so long that workers pay."""
    return scores * bootstrap.resamples >= SIDE_BY_SIDE


def measure_attacker(
    rows: pd.DataFrame, blind: pd.DataFrame | None, aggregation: Aggregation, bootstrap: BootstrapOptions
) -> dict[str, Any]:
    """Population → metric → value: on images, with a lower bound of ε against non-members, and on people."""
    images: dict[str, Any] = measure_membership(rows, blind, bootstrap)
    unseen = rows[rows["population"] != "same_identity"]
    images["unseen_identity"]["epsilon_lower_bound"] = clopper_pearson_epsilon(
        unseen["score"].to_numpy(float),
        unseen["is_member"].to_numpy(bool),
        identities=unseen["identity"].to_numpy(),
    )
    return images | measure_identities(rows, blind, aggregation, bootstrap)
