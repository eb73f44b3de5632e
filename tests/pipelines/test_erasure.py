"""The nodes of `erasure`, and what is known beforehand: who is still found, and who cannot be."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from faceleak.auditing.target import get_target
from faceleak.backbones.target_options import TargetOptions
from faceleak.erasure.options import ErasureOptions
from faceleak.faces.demo import DemoFaces
from faceleak.faces.options import DemoOptions, RoleOptions, SplitOptions
from faceleak.faces.splits import split, with_role
from faceleak.faces.store import FaceStore, pack
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.erasure import nodes
from faceleak.work.compute import ComputeOptions, single_threaded

from .conftest import kedro

TRAINING = {"architecture": "iresnet_tiny", "image_size": 32, "embedding_size": 16, "batch_size": 8, "scale": 16}
UTILITY = {"maximum_pairs": 1000}
OPTIONS = ErasureOptions(
    erased={"people": 1, "draws": 2},
    methods=[{"method": "retraining"}, {"method": "head_removal"}],
    gold="retraining",
    attackers={"norm": {"signals": ["embedding_norm"]}, "others": {"signals": ["reference_similarity"]}},
)
BOOTSTRAP = BootstrapOptions(resamples=100)


def test_people_are_drawn_erased_scored_and_judged(
    demo_store: FaceStore, demo_splits: pd.DataFrame, compute: ComputeOptions
) -> None:
    training = TargetOptions(source="train", train={**TRAINING, "epochs": 1}, utility=UTILITY)
    target = get_target(demo_store, demo_splits, training, compute)
    people = nodes.draw_erased(demo_splits, OPTIONS)
    faces = demo_store, demo_splits, people
    erased = nodes.erase_people(target, *faces, training, OPTIONS, compute)
    assert [(run.draw, run.method) for run in erased] == [
        *((0, "retraining"), (1, "retraining"), (0, "head_removal"), (1, "head_removal"))
    ]
    scores = nodes.score_erasures(target, erased, *faces, OPTIONS, compute)
    assert len(set(scores.groupby(["draw", "method", "attacker"]).size())) == 1
    unchanged = scores[scores["method"] == "head_removal"]
    assert (unchanged["before"] == unchanged["after"]).all()
    cost = nodes.measure_cost(target, erased, *faces, training, BOOTSTRAP, compute)
    by_method = cost.set_index(["method", "draw"])["verification_auc_of_stays"]
    assert by_method["head_removal"].equals(by_method["before"])
    metrics, verdicts, table = nodes.measure_erasure(scores, cost, OPTIONS, BOOTSTRAP)
    found = metrics["undefended"]["erasure"]
    assert list(found) == ["retraining", "head_removal"]
    assert found["head_removal"]["verification_auc_change"] == 0
    assert list(found["head_removal"])[-2:] == ["norm", "others"]
    assert found["head_removal"]["others"]["never_in"] == 5  # two of unseen people, three auxiliary ones
    assert set(verdicts["reason"]) == {"too few people never in"}
    assert len(verdicts) == len(people) * 2 * 2
    assert len(table) == 4
    assert len(nodes.draw_erasure(metrics).axes) == 2


@pytest.fixture(scope="module")
def memorized(tmp_path_factory: pytest.TempPathFactory) -> tuple[FaceStore, pd.DataFrame, ComputeOptions]:
    """24 members of whom 12 are known, and 58 people never in on whom no attack is fitted."""
    folder = tmp_path_factory.mktemp("memorized")
    compute = ComputeOptions(device="cpu", precision="float32", workers=1, batch_size=64, cache=folder / "cache")
    pack(DemoFaces(DemoOptions(people=96, images_per_person=6), compute), folder / "faces.arrow")
    store = FaceStore(folder / "faces.arrow")
    roles = {
        "member": RoleOptions(people=24, minimum_images=6),
        "unseen_identity": RoleOptions(people=20, maximum_images=3),
        "auxiliary": RoleOptions(people=48),
        "public": RoleOptions(people=4),
    }
    return store, split(store.manifest(), SplitOptions(roles=roles)), compute


@pytest.mark.slow
def test_an_unchanged_backbone_still_holds_them_and_one_that_never_saw_them_does_not(
    memorized: tuple[FaceStore, pd.DataFrame, ComputeOptions],
) -> None:
    store, splits, compute = memorized
    options = ErasureOptions(
        erased={"people": 6, "draws": 3},
        methods=[{"method": "retraining", "seeds": 2}, {"method": "head_removal"}],
        gold="retraining",
        attackers={"weights": {"signals": ["reference_similarity", "anchor_similarity", "embedding_norm"]}},
        images_per_person=3,
    )
    training = TargetOptions(source="train", train={**TRAINING, "epochs": 40}, utility=UTILITY)
    with single_threaded():
        target = get_target(store, splits, training, compute)
        people = nodes.draw_erased(splits, options)
        erased = nodes.erase_people(target, store, splits, people, training, options, compute)
        scores = nodes.score_erasures(target, erased, store, splits, people, options, compute)
        cost = nodes.measure_cost(target, erased, store, splits, people, training, BOOTSTRAP, compute)
    metrics, verdicts, _ = nodes.measure_erasure(scores, cost, options, BOOTSTRAP)
    found = metrics["undefended"]["erasure"]
    assert set(with_role(splits, "member")["identity"]) >= set(people["identity"])
    unchanged, gold = found["head_removal"], found["retraining"]
    assert unchanged["still_found"] > 0.5
    assert unchanged["still_found_ci_low"] > 0.05
    assert unchanged["still_found_over_gold_ci_low"] > 0
    assert gold["still_found"] < 0.25
    assert gold["still_found_ci_low"] <= 0.05
    by_method = {name: Counter(rows["verdict"]) for name, rows in verdicts.groupby("method")}
    assert by_method["head_removal"].most_common(1)[0][0] == "still found"
    assert by_method["retraining"]["still found"] <= 0.25 * by_method["retraining"].total()


@pytest.mark.slow
def test_the_pipeline_leaves_verdicts_metrics_and_a_section_of_the_report(audited: Path) -> None:
    run = kedro(audited, "run", "--env=smoke", "--pipelines=erasure,report")
    assert run.returncode == 0, run.stderr
    assert "Erasure: people still found at 5 %" in run.stdout
    reports = audited / "data/smoke/08_reporting"
    found = json.loads((reports / "erasure_metrics.json").read_text())["undefended"]["erasure"]
    assert list(found) == ["retraining", "finetuning", "gradient_ascent", "head_removal"]
    assert found["head_removal"]["verification_auc_change"] == 0
    assert pd.read_csv(reports / "erasure_verdicts.csv")["identity"].notna().all()
    audit = json.loads((reports / "audit.json").read_text())
    (section,) = [section for section in audit["sections"] if section["id"] == "erasure"]
    assert [block["kind"] for block in section["blocks"]].count("table") == 3
