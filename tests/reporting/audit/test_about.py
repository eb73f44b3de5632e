"""The target's inventory in words."""

import pytest

from faceleak.reporting.audit.sections.about import inventory_table, summary_table


@pytest.fixture
def inventory():
    layer = {"channels": 64, "eps": 1e-5, "momentum": 0.1, "affine": True, "statistics_trained": True}
    return {
        "architecture": "iresnet18",
        "embedding_size": 512,
        "measured_embedding_size": 512,
        "parameters": 24_025_600,
        "flops": 2_620_000_000,
        "deterministic": True,
        "batch_difference": 3.4e-7,
        "independent_of_batch": True,
        "bn_layers": [
            {"name": "bn1", **layer},
            {"name": "features", **layer, "channels": 512, "momentum": None, "statistics_trained": False},
        ],
        "bn_eps_assumed": True,
        "eps_cosine": 0.98765,
        "near_silent_channels": 1234,
        "warnings": [],
    }


def test_every_bn_layer_is_a_row(inventory):
    table = inventory_table(inventory)
    assert table.columns.tolist() == ["BN layer", "channels", "eps", "momentum", "affine", "statistics trained"]
    assert table.to_numpy().tolist() == [
        ["bn1", "64", "1e-05", "0.1", "yes", "yes"],
        ["features", "512", "1e-05", "–", "yes", "no"],
    ]


def test_the_summary_says_what_was_measured(inventory):
    summary = summary_table(inventory).set_index("property")["value"]
    assert summary["parameters"] == "24,025,600"
    assert summary["GFLOPs an image"] == "2.62"
    assert summary["embedding size"] == "512"
    assert summary["BN layers"] == "2, 1 of them with trained statistics"
    assert summary["BN channels"] == "576"
    assert summary["same answer in a batch"] == "yes (differs by 3e-07)"
    assert summary["BN eps"] == "1e-05 (assumed, the architecture's own)"
    assert summary["BN channels with a variance of 10 eps or less"] == "1,234"
    assert summary["cosine of an embedding to that with twice the eps"] == "0.9877"
    given = summary_table(inventory | {"bn_eps_assumed": False}).set_index("property")["value"]
    assert given["BN eps"] == "1e-05"
    earlier = {key: value for key, value in inventory.items() if "eps" not in key}
    assert "BN eps" not in summary_table(earlier)["property"].tolist()
    infinite = summary_table(inventory | {"batch_difference": None}).set_index("property")["value"]
    assert infinite["same answer in a batch"] == "–, not finite"
    wrong = summary_table(inventory | {"measured_embedding_size": 128}).set_index("property")["value"]
    assert wrong["embedding size"] == "128, the card states 512"


def test_a_backbone_without_bn_has_no_rows(inventory):
    assert inventory_table(inventory | {"bn_layers": []}).empty


def test_the_tables_hold_a_real_inventory(tiny_backbone):
    from faceleak.backbones.inventory import take_inventory

    inventory = take_inventory(tiny_backbone)
    channels = dict(inventory_table(inventory)[["BN layer", "channels"]].itertuples(index=False))
    assert channels["layer1.0.bn1"] == "16"
    assert summary_table(inventory)["property"].tolist()[0] == "architecture"
