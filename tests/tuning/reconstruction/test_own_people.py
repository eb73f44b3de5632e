"""The attacker's own world holds nobody by whom the audited target is judged."""

import pandas as pd
import pytest

from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import split
from faceleak.membership.inputs import IdentityOverlapError, known_images
from faceleak.membership.options import ReferenceOptions
from faceleak.membership.references import split_references
from faceleak.tuning.reconstruction.own_people import own_people


@pytest.fixture(scope="module")
def splits() -> pd.DataFrame:
    people = [f"p{person:02}" for person in range(30)]
    rows = [(f"{person}_{image}", person, f"{image}") for person in people for image in range(8)]
    manifest = pd.DataFrame(rows, columns=["image_id", "identity", "sha256"])
    shares = {"member": 8, "unseen_identity": 6, "auxiliary": 12, "public": 4}
    return split(manifest, SplitOptions(roles={role: RoleOptions(people=count) for role, count in shares.items()}))


@pytest.fixture(scope="module")
def reference_splits(splits: pd.DataFrame) -> pd.DataFrame:
    training = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1}
    return split_references(splits, ReferenceOptions(count=2, training=training))


def test_members_are_those_of_the_reference_and_half_of_each_kind_is_known(splits, reference_splits) -> None:
    own = own_people(splits, reference_splits, "reference_1")
    of_reference = reference_splits[reference_splits["reference"] == "reference_1"]
    trained_on = of_reference.loc[of_reference["is_member"], "image_id"]
    assert set(own.loc[own["role"] == "member", "image_id"]) == set(trained_on)
    people = own.groupby("role")["identity"].nunique().to_dict()
    assert people == {"member": 6, "same_identity": 6, "unseen_identity": 6, "public": 4}
    known = known_images(own)
    assert known.groupby("is_member")["identity"].nunique().to_dict() == {True: 3, False: 6}
    assert own.groupby(["identity", "role"]).size().xs("unseen_identity", level="role").unique().tolist() == [4]


def test_nobody_by_whom_the_target_is_judged_is_among_them(splits, reference_splits) -> None:
    own = own_people(splits, reference_splits, "reference_0")
    judged = splits.loc[splits["role"].isin(["member", "same_identity", "unseen_identity"]), "identity"]
    assert not set(own["identity"]) & set(judged)
    mixed = reference_splits.assign(identity=reference_splits["identity"].replace({own["identity"][0]: judged.iloc[0]}))
    with pytest.raises(IdentityOverlapError):
        own_people(splits, mixed, "reference_0")
