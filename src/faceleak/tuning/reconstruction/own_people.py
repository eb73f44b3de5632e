"""The attacker's own world: a reference backbone as target, with people whose part in it the attacker knows."""

import numpy as np
import pandas as pd

from faceleak.faces.splits import COLUMNS, EVALUATED_ROLES, with_role
from faceleak.membership.inputs import check_disjoint

KNOWN_SHARE = 0.5


def own_people(splits: pd.DataFrame, reference_splits: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Splits in which `reference` is the target: image_id, identity, sha256, role, known.

    Its members, other images of theirs, as many images of the other auxiliary people, who are the controls, and the
    `public` people. Half of each kind is `known`, as an attacker with partial knowledge knows them. Nobody of those by
    whom the audited target is judged is among them. Raises IdentityOverlapError.
    """
    images = reference_splits[reference_splits["reference"] == reference]
    check_disjoint(images["identity"], with_role(splits, *EVALUATED_ROLES)["identity"])
    members = set(images.loc[images["is_member"], "identity"])
    most = images[images["role"] == "same_identity"].groupby("identity").size().max()
    place = images.groupby(["identity", "role"]).cumcount()
    kept = images[(images["role"] != "unseen_identity") | (place < most)]
    random = np.random.default_rng(0)
    groups = [sorted(members), sorted(set(images["identity"]) - members)]
    known = [person for group in groups for person in random.permutation(group)[: round(KNOWN_SHARE * len(group))]]
    own = kept.assign(known=kept["identity"].isin(known))
    columns = [column for column in COLUMNS if column in own]
    return pd.concat([own[columns], with_role(splits, "public")[columns]], ignore_index=True)
