"""Nodes of the `membership` and `repeats` pipelines: what is read off which backbone, and what is left out."""

import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from faceleak.auditing import membership
from faceleak.backbones.backbone import Backbone
from faceleak.faces.splits import EVALUATED_ROLES, with_role
from faceleak.faces.store import FaceStore
from faceleak.membership import fitting
from faceleak.membership.attackers import TARGET_VIEW
from faceleak.membership.options import MembershipOptions
from faceleak.membership.stacking import parts, stack
from faceleak.membership.view_signals import other_images
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.repeats import nodes as repeats
from faceleak.reporting.results import read_variant
from faceleak.reporting.run_description import summary_words
from faceleak.work.compute import ComputeOptions

ONLINE = {"signals": ["embedding_norm", "reference_similarity"], "calibration": "bavaria", "online": True}
OPTIONS = MembershipOptions(
    threat_models=["partial_knowledge"],
    attacks={
        "similarity": {"signals": ["reference_similarity"], "calibration": "difference"},
        "bavaria_online": ONLINE,
    },
    blind={"reference_signals": ["reference_similarity"]},
    references={"count": 2, "training": {"architecture": "iresnet_tiny", "epochs": 1}},
)
SECOND = "other_images.reference_similarity.mean"


@pytest.fixture
def tables(
    tiny_backbone: Backbone, demo_store: FaceStore, demo_splits: pd.DataFrame, compute: ComputeOptions
) -> SimpleNamespace:
    """What is read off a target, three repeated ones and two references, which are all the same backbone."""
    references = {f"reference_{i}": tiny_backbone for i in range(2)}
    targets = {f"target_{i}": tiny_backbone for i in range(3)}
    evaluated = with_role(demo_splits, *EVALUATED_ROLES)
    moved = evaluated.assign(role=evaluated["role"].replace({"member": "same_identity", "same_identity": "member"}))
    splits = stack({"target_0": evaluated, "target_1": moved, "target_2": evaluated}, "target")
    common = demo_store, demo_splits
    calibration = membership.read_calibration_signals(references, *common, OPTIONS, compute)
    of_targets = references, targets, *common, splits, OPTIONS, compute
    return SimpleNamespace(
        target_splits=splits,
        signals=membership.read_view_signals({TARGET_VIEW: tiny_backbone}, *common, OPTIONS, compute),
        calibration=calibration,
        blind=membership.read_blind_signals(calibration, references, *common, OPTIONS, compute),
        target_signals=repeats.read_target_signals(targets, *common, splits, OPTIONS, compute),
        target_calibration=repeats.read_target_calibration(*of_targets),
    )


def test_no_training_image_is_a_companion_off_targets_and_references(
    tables: SimpleNamespace, demo_splits: pd.DataFrame
) -> None:
    read = {"signals": tables.signals, "blind": tables.blind}
    read |= {f"calibration {name}": rows for name, rows in parts(tables.calibration, "reference").items()}
    of_splits = dict.fromkeys(read, demo_splits)
    splits = parts(tables.target_splits, "target")
    for name, rows in parts(tables.target_signals, "target").items():
        read[name], of_splits[name] = rows, splits[name]
    for (name, reference), rows in tables.target_calibration.groupby(["target", "reference"]):
        read[f"{name} by {reference}"], of_splits[f"{name} by {reference}"] = rows, splits[str(name)]
    assert len(read) == 1 + 1 + 2 + 3 + 3 * (2 + 2)
    for name, rows in read.items():
        column = SECOND.replace("other_images.", "other_images.reference_0.") if name == "blind" else SECOND
        others = other_images(of_splits[name])
        assert not (others["role"] == "member").any()
        assert set(rows.loc[rows[column].notna(), "image_id"]) == set(others["image_id"]), name
    # the two splits show opposite halves of each member's images, so that companions are others
    first, second, again = (read[f"target_{i}"].set_index("image_id")[SECOND] for i in range(3))
    assert first.equals(again)
    both = first.notna() & second.notna()
    assert set(first.index[first.notna() & ~both]).isdisjoint(second.index[second.notna() & ~both])


def test_each_other_target_is_an_online_reference_that_reads_what_online_attacks_need(tables: SimpleNamespace) -> None:
    table = tables.target_calibration
    assert set(table[["target", "reference"]].itertuples(index=False, name=None)) == {
        (f"target_{i}", reference)
        for i in range(3)
        for reference in ("reference_0", "reference_1", *(f"target_{j}" for j in range(3) if j != i))
    }
    by_targets = table["reference"].str.startswith("target")
    assert table.loc[by_targets, ["embedding_norm.norm", "reference_similarity.mean"]].notna().all(axis=None)
    assert table.loc[~by_targets, "embedding_norm.norm"].isna().all()
    some = OPTIONS.model_copy(update={"attacks": OPTIONS.offline_attacks()})
    assert not some.online_signals()


def test_online_attacks_are_left_to_the_repeats_pipeline_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(fitting, "fit_attacks", lambda *arguments, **_: asked.append(arguments))
    nothing = pd.DataFrame()
    with caplog.at_level(logging.INFO):
        membership.fit_attacks(nothing, nothing, nothing, nothing, OPTIONS, ["shadow"], ComputeOptions())
    assert asked[0][4:] == (OPTIONS.offline_attacks(), ["shadow"])
    assert [record.message for record in caplog.records if "bavaria_online" in record.message] == [
        "Left to the repeats pipeline, whose targets are online references: bavaria_online"
    ]


WITH_HEAD = OPTIONS.model_copy(
    update={
        "attacks": MembershipOptions(
            threat_models=["shadow"],
            attacks={
                "norm": {"signals": ["embedding_norm"]},
                "bound": {"signals": ["head_loss"]},
                "both": {"signals": ["embedding_norm", "head_loss"]},
            },
            blind={"reference_signals": []},
            references=OPTIONS.references,
        ).attacks
    }
)


def scores_of_attacks() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores by which only attacks that take the head tell members from others; and the blind baseline's."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(40), 3)
    images = pd.DataFrame(
        {
            "image_id": [f"image_{number}" for number in range(len(people))],
            "identity": [f"person_{person}" for person in people],
            "is_member": people < 20,
            "population": np.where(people < 20, "member", "unseen_identity"),
            "variant": "undefended",
            "attacker": "plain",
            "threat_model": "shadow",
        }
    )
    noise = {name: rng.normal(size=len(people)) for name in ("norm", "blind")}
    told = images["is_member"] + 0.1 * noise["norm"]
    scores = {"norm": noise["norm"], "bound": told, "both": told}
    tables = [images.assign(attack=name, score=score, says_member=score > 0.5) for name, score in scores.items()]
    blind = images.assign(score=noise["blind"], says_member=noise["blind"] > 0, threat_model="partial_knowledge")
    return pd.concat(tables, ignore_index=True), blind.assign(attack="blind")


def test_what_takes_the_head_stands_apart_and_decides_no_verdict(compute: ComputeOptions) -> None:
    scores, blind = scores_of_attacks()
    (of_variant,) = membership.measure_membership(
        scores, blind, WITH_HEAD, BootstrapOptions(resamples=100), compute
    ).values()
    assert set(of_variant["membership"]) == {"blind_partial_knowledge", "norm_shadow"}
    assert set(of_variant["upper_bound"]) == {"bound_shadow", "both_shadow"}
    assert of_variant["upper_bound"]["bound_shadow"]["unseen_identity"]["auc"] == 1
    words = summary_words(read_variant("undefended", of_variant))
    assert words["strongest_attack"] == "norm_shadow"
    assert words["verdict"] != "leaks"


def test_over_several_targets_what_takes_the_head_stands_apart() -> None:
    scores, blind = scores_of_attacks()
    papers = scores[scores["attack"] == "norm"].assign(attack="bn_distance")
    tables = [pd.concat([scores, papers]).assign(target="target_0"), blind.assign(target="target_0")]
    attacks = WITH_HEAD.attacks | {"bn_distance": WITH_HEAD.attacks["norm"]}
    options = WITH_HEAD.model_copy(update={"attacks": attacks})
    measured = repeats.measure_targets(*tables, options, BootstrapOptions(resamples=100))
    (of_variant,) = measured.values()
    assert set(of_variant["upper_bound"]) == {"bound_shadow", "both_shadow"}
    text, table, figure = repeats.write_comparison(measured, options)
    rows = [line for line in text.split("### ")[1].splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[0] for row in rows[-2:]] == ["| bound (upper bound)", "| both (upper bound)"]
    assert "Reading: leaks" not in text
    assert set(table["attack"]) == {"norm", "bound", "both", "bn_distance", "blind"}
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names[-2:] == ["bound (upper bound)", "both (upper bound)"]
