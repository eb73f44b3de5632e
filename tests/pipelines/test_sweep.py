"""The nodes of the sweep that need no training."""

import json

import pandas as pd
import pytest

from faceleak.membership.options import MembershipOptions
from faceleak.metrics.options import BootstrapOptions
from faceleak.pipelines.sweep import SweepError, fit_line

OPTIONS = MembershipOptions(
    threat_models=["partial_knowledge"],
    attacks={"bn_moments": {"signals": ["bn_moments"]}},
    references={"count": 1, "training": {"architecture": "iresnet_tiny", "epochs": 1}},
    sweep={
        "people": [25, 100],
        "images_per_person": [2, 8],
        "attack": "bn_moments",
        "training_set": {"people": 1000, "images_per_person": 50},
    },
)


def test_the_line_is_plain_data_and_counts_what_has_no_logarithm() -> None:
    sizes = [(people, images) for people in (25, 50, 100) for images in (2, 4, 8)]
    table = pd.DataFrame(sizes, columns=["people", "images_per_person"])
    table["advantage"] = 8 / table["people"] / table["images_per_person"] ** 0.5
    table = pd.concat([table, pd.DataFrame([{"people": 100, "images_per_person": 16, "advantage": -0.01}])])
    line, figure = fit_line(table, OPTIONS, BootstrapOptions())
    line = json.loads(json.dumps(line))
    assert line["law"]["people"]["value"] == pytest.approx(-1)
    assert line["law"]["images_per_person"]["value"] == pytest.approx(-0.5)
    assert line["left_out"] == 1
    assert line["prediction"]["extrapolated"]
    assert line["prediction"]["value"] == pytest.approx(8 / 1000 / 50**0.5)
    assert figure.axes


def test_without_a_sweep_in_the_configuration_there_is_no_line() -> None:
    with pytest.raises(SweepError, match=r"membership\.sweep"):
        fit_line(pd.DataFrame(), OPTIONS.model_copy(update={"sweep": None}), BootstrapOptions())
