"""Loading a target from outside, and its accuracy by LFW's protocol."""

import numpy as np
import pandas as pd
import pytest
import torch

from faceleak.auditing.target import (
    StaleTargetError,
    get_target,
    measure_utility,
    read_unseen_pairs,
    view_target,
)
from faceleak.backbones.target_options import TargetOptions
from faceleak.faces.pairs import PairsError
from faceleak.membership.attackers import TARGET_VIEW, View
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.defense.nodes import owner_of

BOOTSTRAP = BootstrapOptions(resamples=100)


def write_pairs(folder, splits, role, folds=2, each=3):
    """Pairs among the images of people with a role, and the manifest that names them."""
    people = splits[splits["role"] == role].reset_index(drop=True)
    people["number"] = people.groupby("identity").cumcount() + 1
    names = people["identity"].unique()
    lines = [f"{folds}\t{each}"]
    for fold in range(folds):
        person, other = names[fold % len(names)], names[(fold + 1) % len(names)]
        lines += [f"{person}\t{i + 1}\t{i + 2}" for i in range(each)]
        lines += [f"{person}\t{i + 1}\t{other}\t{i + 1}" for i in range(each)]
    (folder / "pairs.txt").write_text("\n".join(lines))
    paths = [f"{row.identity}_{row.number:04d}.jpg" for row in people.itertuples()]
    pd.DataFrame({"file": people["image_id"], "source_path": paths}).to_csv(folder / "manifest.csv", index=False)
    return folder / "pairs.txt"


def target_options(backbone, folder, **utility) -> TargetOptions:
    torch.save({"state_dict": backbone.net.state_dict()}, folder / "last.ckpt")
    load = {
        "architecture": "iresnet_tiny",
        "weights": folder / "last.ckpt",
        "embedding_size": 16,
        "preprocessing": {"image_size": 32},
    }
    return TargetOptions(source="load", load=load, utility=utility)


def test_a_target_from_outside_is_loaded_and_its_accuracy_measured(
    tiny_backbone, demo_store, demo_splits, compute, tmp_path
):
    path = write_pairs(tmp_path, demo_splits, "unseen_identity")
    options = target_options(tiny_backbone, tmp_path, pairs=path, maximum_pairs=1000)
    target = get_target(demo_store, demo_splits, options, compute)
    assert target.weights_hash() == tiny_backbone.weights_hash()
    pairs = read_unseen_pairs(demo_store, demo_splits, path)
    assert set(pairs["first"]) <= set(demo_splits.loc[demo_splits["role"] == "unseen_identity", "image_id"])
    splits = demo_splits.copy()  # verification takes ten people, and the demo has four with this role
    splits.loc[splits["role"] == "auxiliary", "role"] = "unseen_identity"
    splits.loc[(splits["role"] == "member") & (splits["identity"] > splits["identity"].min()), "role"] = (
        "unseen_identity"
    )
    measured = measure_utility({TARGET_VIEW: target}, demo_store, splits, options, BOOTSTRAP, compute)
    utility = measured["undefended"]["utility"]
    assert 0 <= utility["lfw_accuracy_ci_low"] <= utility["lfw_accuracy"] <= utility["lfw_accuracy_ci_high"] <= 1
    assert np.isclose(utility["lfw_accuracy"] * 12, round(utility["lfw_accuracy"] * 12))
    plain = options.model_copy(update={"utility": options.utility.model_copy(update={"pairs": None})})
    without = measure_utility({TARGET_VIEW: target}, demo_store, splits, plain, BOOTSTRAP, compute)
    assert without["undefended"]["utility"] == {k: v for k, v in utility.items() if not k.startswith("lfw")}
    members = splits.index[splits["role"] == "same_identity"][:4]  # drawn, but for one
    splits.loc[members, "role"], splits.loc[members[:1], "decided_by"] = "member", "user"
    told = measure_utility({TARGET_VIEW: target}, demo_store, splits, plain, BOOTSTRAP, compute)
    assert told["undefended"]["utility"]["drawn_members"] == 0.75


def test_pairs_of_people_who_were_trained_on_are_refused(demo_store, demo_splits, tmp_path):
    path = write_pairs(tmp_path, demo_splits, "member", each=1)
    with pytest.raises(PairsError, match=r"4 of 4 pairs .*role `member`"):
        read_unseen_pairs(demo_store, demo_splits, path)


def test_a_target_that_recognizes_nobody_is_told_when_it_is_measured(
    tiny_backbone, demo_store, demo_splits, compute, tmp_path, caplog
):
    with torch.no_grad():
        tiny_backbone.net.features.running_var.fill_(1e12)
        tiny_backbone.net.features.bias.fill_(1.0)
    options = target_options(tiny_backbone, tmp_path, maximum_pairs=1000)
    people = demo_splits.assign(role="unseen_identity")  # verification takes ten people
    measured = measure_utility({TARGET_VIEW: tiny_backbone}, demo_store, people, options, BOOTSTRAP, compute)
    utility = measured["undefended"]["utility"]
    assert utility["embedding_spread"] < 1e-4
    assert utility["silent_channels"] == 0
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert told[0].startswith("undefended: the backbone does not work: its embeddings do not vary from face to face")


def test_a_target_of_an_earlier_split_is_measured_by_nobody(demo_store, demo_splits, compute):
    train = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "epochs": 1, "batch_size": 8}
    options = TargetOptions(source="train", train=train)
    target = get_target(demo_store, demo_splits, options, compute)
    assert view_target(target, demo_store, demo_splits, options, compute) == {View("undefended"): target}
    others = demo_splits["identity"][demo_splits["role"] == "member"].unique()[:1]
    changed = demo_splits.assign(role=demo_splits["role"].mask(demo_splits["identity"].isin(others), "auxiliary"))
    for measure in (view_target, owner_of):
        with pytest.raises(StaleTargetError, match="trained on other faces than the splits call members now"):
            measure(target, demo_store, changed, options, compute)


def test_it_is_told_where_nobody_knows_who_a_loaded_target_was_trained_on(
    tiny_backbone, demo_store, demo_splits, compute, tmp_path, caplog
):
    options = target_options(tiny_backbone, tmp_path)
    stated = demo_splits.assign(decided_by="user")
    get_target(demo_store, stated, options, compute)
    assert not [message for message in caplog.messages if "member was drawn" in message]
    get_target(demo_store, demo_splits, options, compute)
    assert "who is a member was drawn for 5 people" in caplog.text
