"""The target's nodes, called as functions: what is found again, and what is told of a target."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from faceleak.auditing import preprocessing_check
from faceleak.auditing.target import compare_preprocessing, judge
from faceleak.backbones.target_options import TargetOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.work.compute import ComputeOptions
from tests.auditing.conftest import World

GOOD = {"verification_auc": 0.987, "verification_auc_ci_low": 0.98, "verification_auc_ci_high": 0.99}


def test_ways_to_feed_it_are_compared_once(
    world: World, target: Any, compute: ComputeOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = world.store.manifest().assign(role="unseen_identity")
    load = {"weights": world.weights["path"], "architecture": "iresnet_tiny", "embedding_size": 16}
    options = TargetOptions.model_validate(
        {"source": "load", "load": {**load, "preprocessing": {"image_size": 32}}, "utility": {"maximum_pairs": 1000}}
    )
    bootstrap, compute = BootstrapOptions(resamples=100), compute.model_copy(update={"cache": tmp_path})
    first = compare_preprocessing(target, world.store, splits, options, bootstrap, compute)
    assert first["name"][0] == "as declared"
    monkeypatch.setattr(preprocessing_check, "check_preprocessing", lambda *_: pytest.fail("compared again"))
    again = compare_preprocessing(target, world.store, splits, options, bootstrap, compute)
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    with pytest.raises(pytest.fail.Exception, match="compared again"):
        compare_preprocessing(target, world.store, splits.head(100), options, bootstrap, compute)


def test_what_is_not_as_it_should_be_is_told() -> None:
    none = pd.DataFrame(columns=["name", "verification_auc", "difference"])
    assert judge(GOOD, {"warnings": []}, none) == []
    low = {name: value - 0.2 for name, value in GOOD.items()}
    told = judge({**low, "drawn_members": 1.0}, {"warnings": ["No BN layer."]}, none)
    assert told[0].startswith("Verification AUC 0.787 [0.780, 0.790] on unseen people is low")
    assert told[1].startswith("Nobody has said who was trained on: 100% of the images")
    assert told[2:] == ["No BN layer."]
    better = {"name": "colors as BGR", "verification_auc": 0.999, "difference": 0.012}
    ends = {"difference_ci_low": 0.01, "difference_ci_high": 0.02}
    fed = pd.DataFrame([{"name": "as declared", **GOOD, "difference": 0.0} | dict.fromkeys(ends, 0.0), better | ends])
    assert "Faces fed another way (colors as BGR) verify clearly better" in judge(GOOD, {"warnings": []}, fed)[0]
