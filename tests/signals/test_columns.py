import pandas as pd

from faceleak.signals.columns import columns_of


def test_columns_of_a_signal_are_not_those_of_one_with_a_longer_name():
    table = pd.DataFrame(columns=["image_id", "bn_distance.bn1", "bn_distance_wide.bn1", "bn_distance.layer1.0.bn1"])
    assert columns_of("bn_distance", table) == ["bn_distance.bn1", "bn_distance.layer1.0.bn1"]
    assert columns_of("bn", table) == []
