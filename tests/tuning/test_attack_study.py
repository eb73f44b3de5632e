"""What the study may see, and what a trial is worth."""

import numpy as np
import pandas as pd
import pytest

from faceleak.faces.options import RoleOptions, SplitOptions
from faceleak.faces.splits import EVALUATED_ROLES, split, with_role
from faceleak.membership import inputs
from faceleak.membership.inputs import known_images
from faceleak.membership.options import AttackOptions
from faceleak.membership.references import split_references
from faceleak.membership.views import own_auc, own_auc_of_shadows
from faceleak.tuning.attack_study import own_data, own_shares
from tests.membership.conftest import COLUMNS, REFERENCES, manifest_of

ATTACK = AttackOptions(signals=["bn_distance"])


@pytest.fixture(scope="module")
def splits() -> pd.DataFrame:
    people = {"member": 20, "unseen_identity": 20, "auxiliary": 24}
    return split(manifest_of(64, 6), SplitOptions(roles={r: RoleOptions(people=n) for r, n in people.items()}))


def read(images: pd.DataFrame, seed: int) -> pd.DataFrame:
    member = images["is_member"] if "is_member" in images else images["role"] == "member"
    values = np.random.default_rng(seed).normal(size=(len(images), len(COLUMNS))) - member.to_numpy()[:, None]
    return images[["image_id"]].reset_index(drop=True).join(pd.DataFrame(values, columns=COLUMNS))


def tables_of(splits: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    images = with_role(splits, *EVALUATED_ROLES)
    drawn = split_references(splits, REFERENCES).groupby("reference", sort=False)
    of_references = [rows.merge(read(rows, 10 + i), on="image_id") for i, (_, rows) in enumerate(drawn)]
    of_non_members = [read(images.assign(is_member=False), 20 + i).assign(reference=f"r{i}") for i in range(4)]
    return read(images, 1).assign(variant="undefended", bypass=""), pd.concat(of_references), pd.concat(of_non_members)


@pytest.mark.parametrize("threat_model", ["partial_knowledge", "shadow"])
def test_no_evaluated_person_is_in_what_the_study_sees(splits, threat_model):
    data = own_data(*tables_of(splits), splits, threat_model)
    seen = {person for part in data.inputs for person in part.images["identity"]}
    evaluated = with_role(splits, *EVALUATED_ROLES).query("not known")["identity"]
    assert seen
    assert not seen & set(evaluated)


def test_the_last_value_is_the_whole_one_and_each_counts_more_people(splits):
    known = own_data(*tables_of(splits), splits, "partial_knowledge")
    values = list(known.aucs(ATTACK))
    assert len(values) == 5
    assert values[-1] == own_auc(known.inputs[0], ATTACK)
    assert len(set(values)) == 5


def test_shadows_give_a_value_a_pair(splits):
    signals, reference_signals, calibration_signals = tables_of(splits)
    shadows = own_data(signals, reference_signals, calibration_signals, splits, "shadow")
    values = list(shadows.aucs(ATTACK))
    assert len(values) == REFERENCES.count / 2
    assert values[-1] == own_auc_of_shadows(inputs.of_references(reference_signals), ATTACK)


def test_shares_are_those_of_the_attackers_non_members(splits):
    _, reference_signals, _ = tables_of(splits)
    known = known_images(splits)
    same = int((known["role"] == "same_identity").sum())
    shares = own_shares(reference_signals, splits, "partial_knowledge")
    assert shares["same_identity"] == pytest.approx(same / int((~known["is_member"]).sum()))
    for threat_model in ("partial_knowledge", "shadow"):
        shares = own_shares(reference_signals, splits, threat_model)
        assert set(shares) == {"same_identity", "unseen_identity"}
        assert sum(shares.values()) == pytest.approx(1)
