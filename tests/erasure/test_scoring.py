"""Scores of people before and after: who is scored, by an attack on whom it is fitted, and what a bypass changes."""

import numpy as np
import pandas as pd
import pytest

from faceleak.erasure import scoring
from faceleak.erasure.groups import SCORE_COLUMNS
from faceleak.erasure.options import ErasureAttacker, ErasureOptions
from faceleak.erasure.people import panel_of
from faceleak.erasure.scoring import Judges, score_erasures
from faceleak.erasure.tasks import Run
from faceleak.faces.splits import with_role

ATTACKER = ErasureAttacker(signals=["embedding_norm", "reference_similarity"])
RUN = Run(0, "head_removal", 0)


@pytest.fixture
def judges(demo_store, demo_splits, own, compute) -> Judges:
    """Members and people never in of the demo; anchors are the attacker's own faces here."""
    options = ErasureOptions(
        methods=[{"method": "head_removal"}], attackers={"one": ATTACKER}, calibrated_on=["unseen_identity"]
    )
    anchors = with_role(demo_splits, "auxiliary")
    return Judges(demo_store, panel_of(demo_splits, options), anchors, own, compute)


@pytest.fixture
def people(demo_splits) -> pd.DataFrame:
    members = with_role(demo_splits, "member")
    return pd.DataFrame({"draw": 0, "identity": sorted(members.loc[~members["known"], "identity"].unique())[:1]})


def test_everybody_is_scored_on_whom_no_attack_was_fitted(owner, judges, people):
    target = owner.backbone
    scores = score_erasures(target, {RUN: target}, people, {"one": ATTACKER}, judges)
    assert list(scores.columns) == SCORE_COLUMNS
    panel = judges.panel
    judged = panel[~panel["known"]]
    assert set(scores["identity"]) == set(judged["identity"])
    assert set(scores.loc[scores["group"] == "erased", "identity"]) == set(people["identity"])
    never_in = set(judged.loc[~judged["is_member"], "identity"])
    assert set(scores.loc[scores["group"] == "never in", "identity"]) == never_in
    images = judged.groupby("identity").size()
    assert (scores.set_index("identity")["images"] == images).all()
    np.testing.assert_array_equal(scores["before"], scores["after"])
    assert np.isfinite(scores["after"]).all()


def test_people_who_are_erased_are_never_fitted_on_even_if_they_are_known(owner, judges, monkeypatch):
    fitted = []

    def noted(knowledge, options, with_threshold, fit=scoring.fit_attack):
        fitted.append(set(knowledge[0].images["identity"]))
        return fit(knowledge, options, with_threshold)

    monkeypatch.setattr(scoring, "fit_attack", noted)
    panel = judges.panel
    known = sorted(panel.loc[panel["is_member"] & panel["known"], "identity"].unique())
    people = pd.DataFrame({"draw": [0], "identity": known[:1]})
    scores = score_erasures(owner.backbone, {RUN: owner.backbone}, people, {"one": ATTACKER}, judges)
    assert known[0] in set(scores["identity"])
    assert all(known[0] not in identities for identities in fitted)
    assert len(fitted) == 2


def test_a_bypass_is_done_to_every_backbone_first(owner, judges, people):
    bypassed = ErasureAttacker(signals=["bn_distance"], bypass="bn_reestimation")
    plain = bypassed.model_copy(update={"bypass": None})
    attackers = {"plain": plain, "bypassed": bypassed}
    scores = score_erasures(owner.backbone, {RUN: owner.backbone}, people, attackers, judges)
    by_attacker = {name: rows["after"].to_numpy() for name, rows in scores.groupby("attacker")}
    assert not np.allclose(by_attacker["plain"], by_attacker["bypassed"])


def test_an_attacker_who_reads_what_is_not_there_is_left_out(owner, owner_of, judges, people):
    from torch import nn

    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(3, 16)

        def forward(self, faces):
            return self.last(faces.mean((2, 3)))

    without_bn = owner_of(Flat()).backbone
    attackers = {
        "norm": ErasureAttacker(signals=["embedding_norm", "bn_moments"]),
        "bn": ErasureAttacker(signals=["bn_moments"]),
        "bypassed": ErasureAttacker(signals=["embedding_norm"], bypass="bn_reestimation"),
    }
    scores = score_erasures(owner.backbone, {RUN: without_bn}, people, attackers, judges)
    assert set(scores["attacker"]) == {"norm"}
